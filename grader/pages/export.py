"""``bin/lab export``: the marks of an assignment as a table, in the forms that course sites read.

Texts come from students and rosters and end in a spreadsheet, so a cell that a spreadsheet would
take for a formula is quoted.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lab.errors import LabError
from lab.progress import say

Row = dict[str, str]
Format = Literal["csv", "canvas", "moodle"]
FORMULA = ("=", "+", "-", "@", "\t", "\r")
CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")


@dataclass(frozen=True)
class Mark:
    """One student. ``points``: after the penalty, or None; ``waiting``: answers to read."""

    student: str
    first_name: str
    last_name: str
    email: str
    lms_id: str
    points: float | None
    max_points: float
    late_penalty: float
    waiting: int


def marks(root: Path, assignment: str) -> list[Mark]:
    """All students of the gradebook. Raises LabError for an unknown assignment."""
    from nbgrader.api import Gradebook, MissingEntry  # type: ignore[import-untyped]

    from grader.course import Course

    with Gradebook(Course(root).db_url) as gradebook:
        try:
            graded = gradebook.find_assignment(assignment)
        except MissingEntry as error:
            raise LabError(
                f"The gradebook in {root} has no assignment {assignment}.",
                f"bin/lab grade {assignment} first",
            ) from error
        submitted = {
            submission.student.id: submission
            for submission in gradebook.assignment_submissions(assignment)
        }
        return [
            _mark(student, submitted.get(student.id), float(graded.max_score))
            for student in gradebook.students
        ]


def _mark(student: Any, submission: Any, max_points: float) -> Mark:
    grades = (
        [grade for notebook in submission.notebooks for grade in notebook.grades]
        if submission
        else []
    )
    penalty = float(submission.late_submission_penalty or 0.0) if submission else 0.0
    return Mark(
        student=student.id,
        first_name=student.first_name or "",
        last_name=student.last_name or "",
        email=student.email or "",
        lms_id=student.lms_user_id or "",
        points=(
            max(sum(grade.score or 0.0 for grade in grades) - penalty, 0.0) if submission else None
        ),
        max_points=max_points,
        late_penalty=penalty,
        waiting=sum(bool(grade.needs_manual_grade) for grade in grades),
    )


def plain(assignment: str, everyone: list[Mark], roster: list[Row] | None) -> Iterator[Row]:
    """One row a student: everything that the gradebook knows."""
    for mark in everyone:
        yield {
            "student": mark.student,
            "first_name": mark.first_name,
            "last_name": mark.last_name,
            "email": mark.email,
            "assignment": assignment,
            "points": _number(mark.points),
            "max_points": _number(mark.max_points),
            "late_penalty": _number(mark.late_penalty),
            "waiting_for_a_person": str(mark.waiting),
        }


def canvas(assignment: str, everyone: list[Mark], roster: list[Row] | None) -> Iterator[Row]:
    """Canvas's gradebook import: points possible, then the students of the roster."""
    column = next(
        (name for row in roster or [] for name in row if name.startswith(assignment)), assignment
    )
    possible = everyone[0].max_points if everyone else 0.0
    yield {**dict.fromkeys(CANVAS, ""), "Student": "Points Possible", column: _number(possible)}
    if roster is None:
        for mark in everyone:
            name = ", ".join(filter(None, (mark.last_name, mark.first_name))) or mark.student
            yield {
                "Student": name,
                "ID": mark.lms_id,
                "SIS User ID": "",
                "SIS Login ID": mark.student,
                "Section": "",
                column: _number(mark.points),
            }
        return
    for row, mark in _matched(roster, everyone, ("SIS Login ID", "SIS User ID", "ID")):
        yield {**{name: row.get(name, "") for name in CANVAS}, column: _number(mark.points)}


def moodle(assignment: str, everyone: list[Mark], roster: list[Row] | None) -> Iterator[Row]:
    """Moodle's grade import, which finds a person by one of the first columns."""
    if roster is None:
        people: list[tuple[Row, Mark]] = [
            (
                {"Username": mark.student, "ID number": mark.lms_id, "Email address": mark.email},
                mark,
            )
            for mark in everyone
        ]
    else:
        people = list(
            _matched(roster, everyone, ("Username", "Email address", "ID number", "Identifier"))
        )
    for row, mark in people:
        identity = {name: row.get(name, "") for name in ("Username", "ID number", "Email address")}
        late = f"{mark.late_penalty:g} points less for handing in late" if mark.late_penalty else ""
        yield {**identity, assignment: _number(mark.points), "Feedback comments": late}


FORMS: Mapping[str, Callable[[str, list[Mark], list[Row] | None], Iterator[Row]]] = {
    "csv": plain,
    "canvas": canvas,
    "moodle": moodle,
}


def table(
    assignment: str, everyone: list[Mark], form: Format, roster: list[Row] | None = None
) -> str:
    """The whole file."""
    rows = list(FORMS[form](assignment, everyone, roster))
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: harmless(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def harmless(value: str) -> str:
    """A text that no spreadsheet computes.

    >>> harmless("=HYPERLINK(1)"), harmless("-3"), harmless("Ada")
    ("'=HYPERLINK(1)", '-3', 'Ada')
    """
    return value if not value.startswith(FORMULA) or _is_number(value) else f"'{value}"


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _matched(
    roster: list[Row], everyone: list[Mark], columns: tuple[str, ...]
) -> Iterator[tuple[Row, Mark]]:
    """The roster's people with a mark; who is missing on either side is said."""
    by_name = {
        name.casefold(): mark
        for mark in everyone
        for name in (mark.student, mark.email, mark.lms_id)
        if name
    }
    seen = set()
    for row in roster:
        names = (row.get(column, "").strip().casefold() for column in columns)
        mark = next((by_name[name] for name in names if name in by_name), None)
        if mark is not None:
            seen.add(mark.student)
            yield row, mark
    if missing := sorted({mark.student for mark in everyone if mark.points is not None} - seen):
        say(f"Not in the roster, so not in the file: {', '.join(missing)}.")


def read_roster(file: Path) -> list[Row]:
    """The rows of a CSV file that a course site exported. Raises LabError."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            return [
                {name: value or "" for name, value in row.items() if name}
                for row in csv.DictReader(stream)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabError(
            f"{file} cannot be read as a table: {error}",
            "export the class list from the course site as CSV",
        ) from error
