"""nbgrader's configuration of the course: formgrader, the assignment list and ``nbgrader`` commands read it."""

from grader.release import converter_config

c = get_config()  # type: ignore[name-defined]  # noqa: F821
c.merge(converter_config())
c.CourseDirectory.course_id = "docker-kubernetes"
c.CourseDirectory.db_url = (
    "sqlite:///gradebook.db?timeout=60"  # formgrader and a grading run may write at the same time
)
c.HTMLExporter.sanitize_html = (
    True  # formgrader shows what students wrote: nothing of it may act in the instructor's browser
)
c.Autograde.sanitize_preprocessors = [
    "grader.gradebook.GradeInSandbox"
]  # nbgrader's own would run submissions beside the gradebook
