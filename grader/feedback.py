"""A student's feedback page: each check with what was found, what was expected and what to try; then the notebook as it was graded.

nbgrader's own converter drives it, so marks and comments given by hand are on it. Nothing active leaves: the notebook's HTML passes an
allow-list, and the page's policy forbids scripts and anything from elsewhere. The source of hidden tests is cut out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import nh3
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from nbgrader.converters import GenerateFeedback  # type: ignore[import-untyped]
from nbgrader.preprocessors import ClearHiddenTests, GetGrades, NbGraderPreprocessor  # type: ignore[import-untyped]
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]

from grader.gradebook import LOCK, Course
from grader.release import quiet_log, what_nbgrader_said
from grader.repair import title_of
from grader.results import Result

PAGE = jinja2.Environment(
    autoescape=True, loader=jinja2.FileSystemLoader(Path(__file__).parent), trim_blocks=True, lstrip_blocks=True
)
TEMPLATE = "feedback.html.jinja"
PICTURE = re.compile(r"data:image/(png|jpeg|gif);base64,")
LINK = re.compile(r"(https?|mailto):", re.IGNORECASE)
TAGS = {
    "a", "b", "blockquote", "br", "code", "dd", "del", "details", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "kbd",
    "li", "ol", "p", "pre", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
REASONS = {
    "timeout": "A cell did not end within its time. What came before it counts.",
    "out-of-memory": "Your work needed more memory than it may have, and was stopped. What came before counts.",
    "kernel-died": "The kernel of your notebook ended before its last cell. What came before counts.",
    "environment": "Your work could not be graded, through no fault of yours. It costs you nothing; your instructor has been told.",
    "malformed": "What you handed in could not be read as a notebook, so it was not graded.",
}


@dataclass(frozen=True)
class Item:
    """One graded cell on the page. ``score`` is None while a person still has to look at it."""

    name: str
    score: float | None
    points: float
    lines: tuple[str, ...]
    comment: str


class FeedbackExporter(HTMLExporter):
    """nbconvert's plain HTML of a notebook, cleaned, within our own page."""

    def _template_name_default(self) -> str:
        return "basic"

    def from_notebook_node(self, nb: NotebookNode, resources: Any = None, **kw: Any) -> Any:
        body, resources = super().from_notebook_node(nb, resources, **kw)
        facts = resources["nbgrader"]
        page = PAGE.get_template(TEMPLATE).render(
            **{name: facts[name] for name in ("assignment", "student", "score", "max_score", "late_penalty", "items")},
            reason=REASONS.get(facts["course"].get("reason") or ""),
            repairs=facts["course"].get("notes", []),
            body=clean(str(body)),
            style=_style(),
        )
        return page, resources


class Summary(NbGraderPreprocessor):  # type: ignore[misc]
    """Hands to the page what the notebook says about itself, after GetGrades has put the marks into it."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        resources["nbgrader"] |= {"items": list(items_of(nb)), "course": nb.metadata.get("course", {})}
        return nb, resources


def write(course: Course, assignment: str, student: str) -> None:
    """Write ``feedback/<student>/<assignment>/*.html`` from what the gradebook and ``autograded/`` hold now. Raises LabError."""
    with (
        LOCK,
        what_nbgrader_said(f"write the feedback of {student}", f"bin/lab grade {assignment} --student {student}"),
    ):
        directory = course.directory(assignment, student_id=student)
        converter = GenerateFeedback(
            coursedir=directory, log=quiet_log()[0], force=True, exporter_class=FeedbackExporter
        )
        converter.config.FeedbackExporter.template_name = "basic"
        converter.preprocessors = [GetGrades, Summary, ClearHiddenTests]
        converter.start()


def write_reason(course: Course, assignment: str, result: Result) -> None:
    """The page of a submission that was not graded: why, and what to do."""
    items = [Item(check.name, None, check.max_points, (), "") for check in result.checks]
    page = PAGE.get_template(TEMPLATE).render(
        assignment=assignment, student=result.student, score=None, max_score=result.max_points, late_penalty=0, items=items,
        reason=REASONS.get(result.reason or ""), repairs=result.notes if result.reason == "malformed" else [], body="", style="",
    )  # fmt: skip
    folder = course.folder("feedback", assignment, result.student)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "not-graded.html").write_text(page, encoding="utf-8")


def items_of(notebook: NotebookNode) -> Iterator[Item]:
    """The graded cells of an autograded notebook, with the marks that GetGrades has put into their metadata."""
    for cell in notebook.cells:
        known = cell.metadata.get("nbgrader", {})
        if not (known.get("grade") or known.get("task")):
            continue
        test = cell.cell_type == "code" and not known.get("solution")
        lines = (
            [
                line
                for output in cell.get("outputs", [])
                for line in (output.get("evalue") or output.get("text") or "").splitlines()
            ]
            if test
            else []
        )
        yield Item(
            title_of(cell.source, known["grade_id"]) if test else known["grade_id"],
            known.get("score"),
            known["points"],
            tuple(lines),
            known.get("comment") or "",
        )


def clean(html: str) -> str:
    """The HTML with nothing in it that acts, asks another server or leaves its place."""
    attributes = {"*": {"class", "title", "colspan", "rowspan"}, "a": {"href"}, "img": {"src", "alt"}}
    return nh3.clean(
        html,
        tags=TAGS,
        attributes=attributes,
        attribute_filter=_allowed,
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer",
    )


def _allowed(tag: str, attribute: str, value: str) -> str | None:
    if (tag, attribute) == ("img", "src"):
        return value if PICTURE.match(value) else None
    if (tag, attribute) == ("a", "href"):
        return value if LINK.match(value) else None
    return value


def _style() -> str:
    return str(HtmlFormatter(style="default").get_style_defs(".highlight"))
