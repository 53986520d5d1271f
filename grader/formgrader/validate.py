"""JupyterLab's button Validate for an instructor: it runs a notebook, so never a student's."""

from pathlib import Path
from typing import Any

from nbgrader.server_extensions.validate_assignment import handlers  # type: ignore[import-untyped]

from grader.course import AUTOGRADED, SUBMITTED
from grader.formgrader.pages import Route
from grader.formgrader.refusals import SANDBOXES

FAILED = (
    "The notebook could not be run. The last lines of JupyterLab's log say why: bin/lab doctor."
)


class Validate(handlers.ValidateAssignmentHandler):  # type: ignore[misc]
    """nbgrader's, but for students' notebooks, and without a traceback in the dialog."""

    def validate_notebook(self, path: str) -> dict[str, Any]:
        root = Path(self.root_dir).resolve()
        target = (root / path).resolve()
        students = [root / SUBMITTED, root / AUTOGRADED]
        if any(target.is_relative_to(folder) for folder in students):
            return {"success": False, "value": SANDBOXES}
        answer: dict[str, Any] = super().validate_notebook(path)
        if not answer["success"] and str(answer["value"]).startswith("Traceback"):
            answer["value"] = FAILED
        return answer


def routes() -> list[Route]:
    """nbgrader's addresses."""
    return [
        (pattern, Validate if handler is handlers.ValidateAssignmentHandler else handler)
        for pattern, handler in handlers.default_handlers
    ]
