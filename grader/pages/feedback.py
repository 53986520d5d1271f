"""A student's feedback page: each check with what was found, what was expected and what to try;
then the notebook as it was graded.

nbgrader's own converter drives it, so marks and comments given by hand are on it. Nothing active
leaves: what the student wrote is cleaned and framed (grader/pages/notebook.py), and the page's
policy forbids scripts and anything from elsewhere. The source of hidden tests is cut out.
"""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup
from nbconvert.exporters import Exporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from nbgrader.converters import GenerateFeedback  # type: ignore[import-untyped]
from nbgrader.preprocessors import ClearHiddenTests, GetGrades, NbGraderPreprocessor  # type: ignore[import-untyped]
from traitlets import Dict as DictTrait

from grader.archive import printable
from grader.course import AUTOGRADED, FEEDBACK, Course
from grader.exercise.cells import title_of
from grader.exercise.nbgrader import LOCK, course_directory, literal, quiet_log, what_nbgrader_said
from grader.gradebook.record import ensure_current
from grader.judging.results import NO_ANSWER, Result
from grader.pages.notebook import code_style, released_text, shown
from grader.pages.template import PAGES
from lab.errors import LabError

TEMPLATE = "feedback.html.jinja"
NOT_GRADED = "not-graded.html"
SEAL = re.compile(r"<!-- sha256 ([0-9a-f]{64}) -->\n$")
HEADING = re.compile(r"^#{2,6}\s+(.+)$", re.MULTILINE)
IN_WORDS = "Your answer in words"
NOTHING_WRITTEN = "No response."  # nbgrader's own comment on an answer that is as it was released
REASONS = {
    "timeout": (
        "Something took longer than its time limit and was stopped. Only the time of your own cells"
        " counts, and what was right keeps its points."
    ),
    "out-of-memory": (
        "Your work needed more memory than its limit, and was stopped. What came before counts."
    ),
    "kernel-died": (
        "The kernel of your notebook ended before its last cell. What came before counts."
    ),
    "environment": (
        "Your work could not be graded, through no fault of yours. It costs you nothing; your"
        " instructor has been told."
    ),
    "over-limit": (
        "Grading what you handed in needed more memory or time than one submission may have, so it"
        " was not graded. Hand in something smaller."
    ),
    "malformed": "What you handed in could not be read as a notebook, so it was not graded.",
}
# what a student whose work was not graded does next
TODO = {
    "environment": "There is nothing for you to do: it will be graded again.",
    "malformed": (
        "Open your notebook in JupyterLab, save it, and hand it in again. If it does not open, get"
        " the exercise again and copy your answers into it."
    ),
    "over-limit": "Clear the outputs, leave out what is not needed, and hand in again.",
}


@dataclass(frozen=True)
class Item:
    """One graded cell on the page. ``score`` is None while a person still has to look at it;
    ``question`` is the heading above it.

    ``lines`` are what the check said, each with its part: "found", "expected" or "try". With a
    ``sample`` answer the student looks at it: nobody else does.
    """

    name: str
    score: float | None
    points: float
    lines: tuple[tuple[str, str], ...] = ()
    comment: str = ""
    question: str = ""
    made: bool = True
    sample: str = ""

    @property
    def status(self) -> str:
        """In words, so that no colour is needed to read it."""
        if not self.made:
            return "not checked"
        if self.score is None:
            return "for you to judge" if self.sample else "waits for your instructor"
        if self.score >= self.points:
            return "passed"
        return "partly" if self.score > 0 else "not yet"


class FeedbackExporter(Exporter):
    """Our page of a notebook, whatever converter of nbgrader asks for it."""

    samples = DictTrait(help="sample answers in Markdown: {notebook: {grade_id: text}}").tag(
        config=True
    )

    output_mimetype = "text/html"

    def _file_extension_default(self) -> str:
        return ".html"

    def from_notebook_node(self, nb: NotebookNode, resources: Any = None, **kw: Any) -> Any:
        nb, resources = super().from_notebook_node(nb, resources, **kw)
        for step in (Marks, Summary, ClearHiddenTests):
            nb, resources = step(parent=self)(nb, resources)
        facts = resources["nbgrader"]
        page = _page(
            **{
                name: facts[name]
                for name in ("assignment", "student", "max_score", "late_penalty", "items")
            },
            score=max(facts["score"], 0),
            reason=facts["course"].get("reason"),
            repairs=facts["course"].get("notes", []),
            cells=shown(nb),
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
    """Hands to the page what the notebook says about itself, after Marks."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        samples = self.parent.samples.get(resources["nbgrader"]["notebook"], {})
        resources["nbgrader"] |= {
            "items": list(items_of(nb, samples)),
            "course": nb.metadata.get("course", {}),
        }
        return nb, resources


def warm_up() -> None:
    """Compile what every page is made by."""
    cells = [
        new_code_cell("1", outputs=[new_output("stream", text="1")]),  # type: ignore[no-untyped-call]
        new_markdown_cell("1"),  # type: ignore[no-untyped-call]
    ]
    shown(new_notebook(cells=cells))  # type: ignore[no-untyped-call]
    PAGES.get_template(TEMPLATE)


def write(
    course: Course,
    assignment: str,
    student: str,
    samples: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Write the pages from what the gradebook and ``autograded/`` hold now.

    ``samples``, {notebook: {grade_id: Markdown}}, are shown below answers that wait for a person.
    """
    with (
        LOCK,
        what_nbgrader_said(
            f"write the feedback of {student}", f"bin/lab grade {assignment} --student {student}"
        ),
    ):
        directory = course_directory(course, assignment, student_id=student)
        directory.ignore = ["*"]  # or nbgrader would put the student's own files next to the page
        converter = literal(GenerateFeedback)(
            coursedir=directory, log=quiet_log()[0], force=True, exporter_class=FeedbackExporter
        )
        converter.preprocessors = []
        converter.config.FeedbackExporter.samples = samples or {}
        converter.start()


def remove_reason(course: Course, assignment: str, student: str) -> None:
    """Remove the page of an earlier hand-in that was not graded."""
    (course.folder(FEEDBACK, assignment, student) / NOT_GRADED).unlink(missing_ok=True)


def write_all(course: Course, assignment: str, students: Collection[str] = ()) -> list[str]:
    """Write the pages of all who are graded, or of the named; returns their names. LabError: one
    is not graded.
    """
    ensure_current(course)
    folders = sorted((course.root / AUTOGRADED).glob("*/*"))
    graded = [folder.parent.name for folder in folders if folder.name == assignment]
    wanted = [student for student in graded if student in students or not students]
    if unknown := sorted(set(students) - set(graded)) or ([] if wanted else ["anyone"]):
        raise LabError(
            f"{assignment} has not been graded for {', '.join(unknown)}.",
            f"bin/lab grade {assignment}",
        )
    for student in wanted:
        write(course, assignment, student)
    return wanted


def write_reason(course: Course, assignment: str, result: Result) -> None:
    """The page of a submission that was not graded: why, and what to do."""
    folder = course.folder(FEEDBACK, assignment, result.student)
    folder.mkdir(parents=True, exist_ok=True)
    others = {page for page in folder.glob("*.html") if page.name != NOT_GRADED}
    earlier = sorted(page.name for page in others if is_intact(page))
    page = _page(
        assignment=assignment,
        student=printable(result.student),
        score=None,
        items=[],
        reason=result.reason,
        repairs=result.notes if result.reason != "environment" else [],
        earlier=earlier,
        cells=[],
    )
    (folder / NOT_GRADED).write_text(page, encoding="utf-8")


def is_intact(page: Path) -> bool:
    """Whether a page is as we wrote it: its last line is the hash of the rest."""
    try:
        text = page.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    seal = SEAL.search(text)
    return seal is not None and seal[1] == _hash(text[: seal.start()])


def items_of(notebook: NotebookNode, samples: Mapping[str, str] | None = None) -> Iterator[Item]:
    """The graded cells of an autograded notebook, with the marks and comments that Marks has put
    into their metadata.

    formgrader has a comment under each cell that a student answers in: it goes with the next check.
    """
    question, comment = "", ""
    for cell in notebook.cells:
        claim = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "markdown" and claim.get("locked"):
            question = heading(cell.source) or question
        if (written := claim.get("comment")) and written != NOTHING_WRITTEN:
            comment = written
        if claim.get("grade") or claim.get("task"):
            sample = (samples or {}).get(claim["grade_id"], "")
            yield _item(cell, claim, comment, question, sample)
            comment = ""


def _item(cell: NotebookNode, claim: Any, comment: str, question: str, sample: str) -> Item:
    score, points = claim.get("score"), claim["points"]
    if cell.cell_type == "code" and not claim.get("solution"):
        outputs = cell.get("outputs", [])
        text = "\n".join(output.get("evalue") or output.get("text") or "" for output in outputs)
        made = not any(output.get("ename") == "NotChecked" for output in outputs)
        return Item(
            title_of(cell.source, claim["grade_id"]),
            score,
            points,
            parts(text),
            comment,
            question,
            made,
        )
    name = IN_WORDS if question else claim["grade_id"]
    unanswered = claim.get("comment") == NOTHING_WRITTEN and not score
    return Item(
        name,
        score,
        points,
        parts(NO_ANSWER) if unanswered else (),
        comment,
        question,
        # only after an attempt
        sample=Markup(released_text(sample) if score is None else ""),  # noqa: S704  # cleaned
    )


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


def heading(markdown: str) -> str:
    """The first heading below the notebook's title, or an empty string."""
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
    open_items = [item for item in items if item.made and item.score is None]
    waiting = [item for item in open_items if not item.sample]
    page = PAGES.get_template(TEMPLATE).render(
        items=items,
        passed=sum(item.status == "passed" for item in items),
        waiting=len(waiting),
        waiting_points=sum(item.points for item in waiting),
        own=len(open_items) - len(waiting),
        own_points=sum(item.points for item in open_items if item.sample),
        first=first,
        reason=REASONS.get(reason or ""),
        todo=TODO.get(reason or ""),
        style=code_style(),
        **facts,
    )
    return f"{page}<!-- sha256 {_hash(page)} -->\n"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
