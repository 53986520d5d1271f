"""A student's feedback page: each check with what was found, what was expected and what to try;
then the notebook as it was graded.

nbgrader's own converter drives it, so marks and comments given by hand are on it. Nothing active
leaves: the notebook's HTML passes an allow-list, and the page's policy forbids scripts and anything
from elsewhere. The source of hidden tests is cut out.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import nh3
from jinja2.bccache import Bucket
from markupsafe import Markup, escape
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown import markdown2html
from nbformat import NotebookNode
from nbgrader.converters import GenerateFeedback  # type: ignore[import-untyped]
from nbgrader.preprocessors import ClearHiddenTests, GetGrades, NbGraderPreprocessor  # type: ignore[import-untyped]
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]

from grader.exercise.release import quiet_log, what_nbgrader_said
from grader.gradebook.record import LOCK, Course
from grader.judging.repair import title_of
from grader.judging.results import Result
from lab.version import version

PAGE = jinja2.Environment(
    autoescape=True,
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    trim_blocks=True,
    lstrip_blocks=True,
)
PAGE.globals["version"] = version
TEMPLATE = "feedback.html.jinja"
PICTURE = re.compile(r"data:image/(png|jpeg|gif);base64,")
LINK = re.compile(r"(https?|mailto):", re.IGNORECASE)
HEADING = re.compile(r"^#{2,6}\s+(.+)$", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")
NOTHING_WRITTEN = "No response."  # nbgrader's own comment on an answer that is as it was released
NO_ANSWER = (
    "There is no answer here.\nExpected: an answer in your own words.\nTry: write one in this cell,"
    " then hand in again."
)
TAGS = {
    "a",
    "b",
    "blockquote",
    "br",
    "code",
    "dd",
    "del",
    "details",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "kbd",
    "li",
    "ol",
    "p",
    "pre",
    "span",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "ul",
}
REASONS = {
    "timeout": (
        "Something did not end within its time. Only the time of your own cells counts, and what"
        " was right is not lost."
    ),
    "out-of-memory": (
        "Your work needed more memory than it may have, and was stopped. What came before counts."
    ),
    "kernel-died": (
        "The kernel of your notebook ended before its last cell. What came before counts."
    ),
    "environment": (
        "Your work could not be graded, through no fault of yours. It costs you nothing; your"
        " instructor has been told."
    ),
    "malformed": "What you handed in could not be read as a notebook, so it was not graded.",
}


@dataclass(frozen=True)
class Item:
    """One graded cell on the page. ``score`` is None while a person still has to look at it;
    ``question`` is the heading above it.

    ``lines`` are what the check said, each with its part: "found", "expected" or "try".
    """

    name: str
    score: float | None
    points: float
    lines: tuple[tuple[str, str], ...] = ()
    comment: str = ""
    question: str = ""
    made: bool = True

    @property
    def status(self) -> str:
        """In words, so that no colour is needed to read it."""
        if not self.made:
            return "not checked"
        if self.score is None:
            return "waits for your instructor"
        if self.score >= self.points:
            return "passed"
        return "partly" if self.score > 0 else "not yet"


class CompiledTemplates(jinja2.BytecodeCache):
    """nbconvert makes an environment of its own for every page; its templates need be compiled only
    once.
    """

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if known := self._known.get(bucket.key):
            bucket.bytecode_from_string(known)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._known[bucket.key] = bucket.bytecode_to_string()


COMPILED = CompiledTemplates()


class FeedbackExporter(HTMLExporter):
    """nbconvert's plain HTML of a notebook, cleaned, within our own page."""

    def _create_environment(self) -> jinja2.Environment:
        environment: jinja2.Environment = super()._create_environment()  # type: ignore[no-untyped-call]
        environment.bytecode_cache = COMPILED
        return environment

    def _template_name_default(self) -> str:
        return "basic"

    def from_notebook_node(self, nb: NotebookNode, resources: Any = None, **kw: Any) -> Any:
        body, resources = super().from_notebook_node(nb, resources, **kw)
        facts = resources["nbgrader"]
        page = _page(
            **{
                name: facts[name]
                for name in ("assignment", "student", "max_score", "late_penalty", "items")
            },
            score=max(facts["score"], 0),
            reason=facts["course"].get("reason"),
            repairs=facts["course"].get("notes", []),
            body=clean(str(body)),
        )
        return page, resources


class Marks(GetGrades):  # type: ignore[misc]
    """GetGrades says 0 of an answer that waits for a person: that is no mark."""

    def _get_score(self, cell: NotebookNode, resources: dict[str, Any]) -> None:
        super()._get_score(cell, resources)
        grade_id = cell.metadata["nbgrader"]["grade_id"]
        grade = self.gradebook.find_grade(
            grade_id, self.notebook_id, self.assignment_id, self.student_id
        )
        if grade.needs_manual_grade and grade.manual_score is None:
            cell.metadata["nbgrader"]["score"] = None


class Summary(NbGraderPreprocessor):  # type: ignore[misc]
    """Hands to the page what the notebook says about itself, after Marks has put the marks into
    it.
    """

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        resources["nbgrader"] |= {
            "items": list(items_of(nb)),
            "course": nb.metadata.get("course", {}),
        }
        return nb, resources


def write(course: Course, assignment: str, student: str) -> None:
    """Write ``feedback/<student>/<assignment>/*.html`` from what the gradebook and ``autograded/``
    hold now. Raises LabError.
    """
    with (
        LOCK,
        what_nbgrader_said(
            f"write the feedback of {student}", f"bin/lab grade {assignment} --student {student}"
        ),
    ):
        directory = course.directory(assignment, student_id=student)
        converter = GenerateFeedback(
            coursedir=directory, log=quiet_log()[0], force=True, exporter_class=FeedbackExporter
        )
        converter.config.FeedbackExporter.template_name = "basic"
        converter.preprocessors = [Marks, Summary, ClearHiddenTests]
        converter.start()


def write_reason(course: Course, assignment: str, result: Result) -> None:
    """The page of a submission that was not graded: why, and what to do."""
    items = [Item(check.name, None, check.max_points, made=False) for check in result.checks]
    page = _page(
        assignment=assignment,
        student=result.student,
        score=None,
        max_score=result.max_points,
        late_penalty=0,
        items=items,
        reason=result.reason,
        repairs=result.notes if result.reason == "malformed" else [],
        body="",
    )
    folder = course.folder("feedback", assignment, result.student)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "not-graded.html").write_text(page, encoding="utf-8")


def items_of(notebook: NotebookNode) -> Iterator[Item]:
    """The graded cells of an autograded notebook, with the marks and comments that Marks has put
    into their metadata.

    formgrader has a comment under each cell that a student answers in: it goes with the next check.
    """
    question, comment = "", ""
    for cell in notebook.cells:
        known = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "markdown" and known.get("locked"):
            question = _heading(cell.source) or question
        if (said := known.get("comment")) and said != NOTHING_WRITTEN:
            comment = said
        if known.get("grade") or known.get("task"):
            yield _item(cell, known, comment, question)
            comment = ""


def _item(cell: NotebookNode, known: Any, comment: str, question: str) -> Item:
    score, points = known.get("score"), known["points"]
    if cell.cell_type == "code" and not known.get("solution"):
        outputs = cell.get("outputs", [])
        text = "\n".join(output.get("evalue") or output.get("text") or "" for output in outputs)
        made = not any(output.get("ename") == "NotChecked" for output in outputs)
        return Item(
            title_of(cell.source, known["grade_id"]),
            score,
            points,
            parts(text),
            comment,
            question,
            made,
        )
    name = "Your answer in words" if question else known["grade_id"]
    unanswered = known.get("comment") == NOTHING_WRITTEN and not score
    return Item(name, score, points, parts(NO_ANSWER) if unanswered else (), comment, question)


def parts(message: str) -> tuple[tuple[str, str], ...]:
    r"""The lines of a check's message, each with what it tells.

    >>> parts("`web` has ended.\nExpected: `web` running.\nTry: docker logs web")
    (('found', '`web` has ended.'), ('expected', '`web` running.'), ('try', 'docker logs web'))
    """
    lines = []
    for line in filter(str.strip, message.splitlines()):
        label, colon, rest = line.partition(": ")
        part = label.lower() if colon and label in ("Expected", "Try") else "found"
        lines.append((part, line if part == "found" else rest))
    return tuple(lines)


def _heading(markdown: str) -> str:
    """The first heading below the notebook's title."""
    found = HEADING.search(markdown)
    return found.group(1).strip() if found else ""


def _page(*, items: Sequence[Item], reason: str | None, **facts: Any) -> str:
    first = next(
        (
            item
            for item in items
            if item.made and item.score is not None and item.score < item.points
        ),
        None,
    )
    return PAGE.get_template(TEMPLATE).render(
        items=items,
        passed=sum(item.status == "passed" for item in items),
        waiting=sum(item.made and item.score is None for item in items),
        first=first,
        reason=REASONS.get(reason or ""),
        style=_style(),
        **facts,
    )


def code(text: str) -> Markup:
    """The text as HTML, with what is between backticks as code.

    >>> code("`<web>` & co")
    Markup('<code>&lt;web&gt;</code> &amp; co')
    """
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped first


PAGE.filters["code"] = code


def clean(html: str) -> str:
    """The HTML with nothing in it that acts, asks another server or leaves its place."""
    attributes = {
        "*": {"class", "title", "colspan", "rowspan"},
        "a": {"href"},
        "img": {"src", "alt"},
    }
    return nh3.clean(
        html,
        tags=TAGS,
        attributes=attributes,
        attribute_filter=_allowed,
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer",
    )


def markdown(source: str) -> str:
    r"""A text in Markdown as HTML with nothing in it that acts: what formgrader shows of a
    student's texts.

    >>> markdown("*So* <script>act()</script>")
    '<p><em>So</em> </p>\n'
    """
    return clean(str(markdown2html(source)))


def _allowed(tag: str, attribute: str, value: str) -> str | None:
    if (tag, attribute) == ("img", "src"):
        return value if PICTURE.match(value) else None
    if (tag, attribute) == ("a", "href"):
        return value if LINK.match(value) else None
    return value


def _style() -> str:
    return str(HtmlFormatter(style="default").get_style_defs(".highlight"))
