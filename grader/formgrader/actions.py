"""What formgrader's buttons do: write feedback pages as ``bin/lab feedback`` does; all else is
refused in a sentence that names the command.
"""

import json
from pathlib import Path
from typing import Any

from tornado import web

from grader.course import Course
from grader.formgrader.pages import Page, Route
from grader.formgrader.refusals import COMMANDS
from grader.pages import feedback
from lab.errors import LabError

ASSIGNMENT, STUDENT = r"/formgrader/api/assignment/([^/]+)", r"/([^/]+)"


class Refused(Page):
    """A button that is not there, pressed all the same."""

    @web.authenticated
    def post(self, assignment: str, *parts: str) -> None:
        answer = {"success": False, "log": COMMANDS[parts[-1]]}
        self.write(json.dumps(answer))


class Feedback(Page):
    """Generate Feedback, for one student or for all that are graded."""

    @web.authenticated
    def post(self, assignment: str, student: str | None = None) -> None:
        self.write(
            json.dumps(self._written(Course(Path(self.coursedir.root)), assignment, student))
        )

    def _written(self, course: Course, assignment: str, student: str | None) -> dict[str, Any]:
        try:
            students = feedback.write_all(course, assignment, [student] if student else [])
        except LabError as error:
            return {"success": False, "log": f"{error} Try: {error.hint}"}
        except Exception as error:
            self.log.exception("the feedback of %s", assignment)
            what = f"The pages could not be written ({type(error).__name__})."
            hint = f"bin/lab feedback {assignment} in a terminal says more."
            return {"success": False, "log": f"{what} {hint}"}
        return {"success": True, "log": f"Wrote the pages of: {', '.join(students)}."}


def routes() -> list[Route]:
    """Before nbgrader's own handlers of the same addresses."""
    return [
        (f"{ASSIGNMENT}/generate_feedback", Feedback),
        (f"{ASSIGNMENT}{STUDENT}/generate_feedback", Feedback),
        (f"{ASSIGNMENT}/(assign|unrelease|release|collect|release_feedback)", Refused),
        (f"{ASSIGNMENT}{STUDENT}/(release_feedback)", Refused),
        (rf"/formgrader/api/submission/([^/]+){STUDENT}/(autograde)", Refused),
    ]
