"""nbgrader in the lab, for a student; the course of an instructor has a file of its own."""

from nbgrader.preprocessors import CheckCellMetadata, ClearOutput
from nbgrader.validator import Validator

from grader.judging.validate import Validate
from grader.startpage.validate import KeepChecks

c = get_config()  # noqa: F821  (given by Jupyter)

c.CourseDirectory.course_id = "docker-kubernetes"
c.Exchange.root = "/home/student/workspace/.exchange"
c.Exchange.assignment_dir = "/home/student/workspace/assignments"
c.Exchange.cache = "/home/student/workspace/.exchange/cache"
# Validate runs a notebook as grading does. It is no option of nbgrader's: its default is changed.
Validator._preprocessors_default = lambda self: [
    CheckCellMetadata,
    ClearOutput,
    Validate,
    KeepChecks,
]
