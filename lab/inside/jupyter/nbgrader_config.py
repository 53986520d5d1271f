"""nbgrader in the lab, for a student; the course of an instructor has a file of its own."""

c = get_config()  # noqa: F821  (given by Jupyter)

c.CourseDirectory.course_id = "docker-kubernetes"
c.Exchange.root = "/home/student/workspace/.exchange"
c.Exchange.assignment_dir = "/home/student/workspace/assignments"
c.Exchange.cache = "/home/student/workspace/.exchange/cache"
c.ExecutePreprocessor.timeout = 300  # Validate: a cell may build an image
