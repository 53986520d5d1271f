"""The pages of formgrader: nbgrader's, each with a policy, and our own page of a submission."""

import secrets
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.server_extensions.formgrader import apihandlers, handlers  # type: ignore[import-untyped]
from nbgrader.server_extensions.formgrader.base import BaseHandler  # type: ignore[import-untyped]
from tornado import web

from grader.pages.notebook import code_style, shown

# what nbgrader's scripts read as global variables
VARIABLES = (
    "base_url",
    "url_prefix",
    "default_timezone",
    "assignment_id",
    "notebook_id",
    "student_id",
    "submission_id",
)
TEMPLATES = "course_formgrader_templates"  # their key in the server's settings
Route = tuple[Any, ...]


class Page(BaseHandler):  # type: ignore[misc]
    """What all handlers of formgrader share: it comes first among their base classes."""

    @cached_property
    def nonce(self) -> str:
        """Marks the scripts of this one answer."""
        return secrets.token_urlsafe()

    @property
    def content_security_policy(self) -> str:
        """Only the page's own scripts; nothing from elsewhere."""
        return (
            f"default-src 'none'; script-src 'self' 'nonce-{self.nonce}'; connect-src 'self';"
            " style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self';"
            " base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
        )

    def render(self, name: str, **facts: Any) -> str:
        """A template with the variables that its script needs."""
        given = {**facts, **facts.get("resources", {})}
        variables = {key: given[key] for key in VARIABLES if key in given}
        page = {"nonce": self.nonce, "script": name.removesuffix(".tpl"), "variables": variables}
        return str(self.settings[TEMPLATES].get_template(name).render(**{**page, **facts}))

    @property
    def exporter(self) -> "Page":
        """nbgrader's page of a submission asks an exporter for its HTML: here, the page itself."""
        return self

    def from_filename(self, filename: str, resources: dict[str, Any]) -> tuple[str, None]:
        """The page of a graded notebook."""
        notebook = nbformat.read(filename, as_version=4)  # type: ignore[no-untyped-call]
        return self.render(
            "submission.tpl", resources=resources, cells=shown(notebook), style=code_style()
        ), None


class Start(Page):
    """``/formgrader``. nbgrader's takes ``?path=FOLDER`` and runs the nbgrader_config.py there,
    which could be one that a student handed in.
    """

    @web.authenticated
    def get(self) -> None:
        self.redirect(f"{self.base_url}/formgrader/manage_assignments")


class Assignment(Page, apihandlers.AssignmentHandler):  # type: ignore[misc]
    """nbgrader's makes a folder in ``solutions/`` for a name that it does not know."""

    @web.authenticated
    def put(self, assignment_id: str) -> None:
        folder = Path(self.coursedir.root, self.coursedir.source_directory)
        if assignment_id not in {entry.name for entry in folder.iterdir()}:
            raise web.HTTPError(404)
        super().put(assignment_id)


class NotThere(Page):
    """Any other address below ``/formgrader``; nbgrader's would give out students' files."""

    def prepare(self) -> None:
        raise web.HTTPError(404)


REPLACED = {
    handlers.FormgraderHandler: Start,
    apihandlers.AssignmentHandler: Assignment,
    handlers.SubmissionFilesHandler: NotThere,
}


def routes() -> list[Route]:
    """nbgrader's pages and data."""
    theirs = [*handlers.default_handlers, *apihandlers.default_handlers]
    return [
        *((pattern, _ours(handler), *rest) for pattern, handler, *rest in theirs),
        (r"/formgrader/.*", NotThere),
    ]


def _ours(handler: type) -> type:
    if handler in REPLACED or not issubclass(handler, BaseHandler):
        return REPLACED.get(handler, handler)
    return type(handler.__name__, (Page, handler), {})
