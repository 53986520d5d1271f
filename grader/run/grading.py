"""One submission, from its folder to its result: read, repaired, executed, recorded, shown.

Only what runs here touches the gradebook: a carrier takes work to a sandbox and brings back what
executing it gave, and may do so on another machine.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

from grader.archive import UntrustedError
from grader.course import AUTOGRADED, FEEDBACK, JOURNAL
from grader.gradebook import upgrade
from grader.gradebook.journal import Entry, Journal, Refused
from grader.gradebook.record import previous_sources, record, recorded
from grader.gradebook.results import result_of
from grader.judging.notes import limited
from grader.judging.repair import MalformedError
from grader.judging.results import Check, Result
from grader.judging.work import Executed, Work
from grader.pages import feedback
from grader.run.judged_by import JudgedBy
from grader.run.regrade import keep_others
from grader.run.submission import Assignment, Repaired, Submission
from grader.sandbox.interface import Reason, SandboxError, SandboxLimits, StoppedError
from lab.errors import LabError


class Carrier(Protocol):
    """Where work is executed."""

    def execute(self, work: Work) -> Executed:
        """Raises SandboxError when our side has failed for good, StoppedError when it is closed."""


@dataclass(frozen=True)
class Grading:
    """What all submissions of a run are graded by; ``questions``: store these checks alone.

    ``adopted``: students whose results an earlier version of the course recorded, and which stay.
    """

    assignment: Assignment
    judged_by: JudgedBy
    questions: tuple[str, ...] = ()
    adopted: list[str] = field(default_factory=list)

    @cached_property
    def journal(self) -> Journal:
        """What earlier runs have recorded."""
        return Journal(self.assignment.course.root / JOURNAL)


def find_unchanged(grading: Grading, student: str) -> Result | None:
    """The recorded result of this very submission with its marks now, or None."""
    assignment = grading.assignment
    try:
        submission = Submission.read(assignment, student)
    except (MalformedError, UntrustedError):
        return None
    key = submission.key(grading.judged_by)
    entry = grading.journal.find(assignment.name, student, key) or _adopt(grading, submission)
    grades = recorded(assignment.course, assignment.name, student) if entry else None
    if entry is None or grades is None or not _has_pages(assignment, student):
        return None
    result = result_of(assignment.course, assignment.name, student, assignment.cells, entry, grades)
    notes = [*result.notes, *_put_pages_right(assignment, student)]
    return replace(result, unchanged=True, notes=notes)


def judged_by_others(grading: Grading, student: str) -> bool:
    """Whether the work is as it was recorded, but not what judges it."""
    try:
        submission = Submission.read(grading.assignment, student)
    except (MalformedError, UntrustedError):
        return False
    last = grading.journal.last(grading.assignment.name, student)
    if last is None:
        return False
    key, entry = last
    return entry.work == submission.work_key and key != submission.key(grading.judged_by)


def _adopt(grading: Grading, submission: Submission) -> Entry | None:
    """What version 0.1.0 recorded of this work, under its new key from now on.

    That version wrote down no limits: the usual ones are taken for its.
    """
    if grading.judged_by.limits != SandboxLimits():
        return None
    course, row = grading.assignment.course, (grading.assignment.name, submission.student)
    entry = upgrade.adopt(
        grading.journal,
        row,
        source=grading.judged_by.exercise,
        work=submission.work_key,
        released=grading.assignment.cells,
        graded=previous_sources(course.folder(AUTOGRADED, *row)),
    )
    if entry:
        grading.journal.rename_key(*row, submission.key(grading.judged_by))
        grading.adopted.append(submission.student)
    return entry


def grade(grading: Grading, student: str, carrier: Carrier) -> Result:
    """Grade one student's folder, whatever is wrong with it. Raises StoppedError, and MemoryError
    where it needs more than there is.
    """
    started = time.monotonic()
    assignment = grading.assignment
    try:
        result = _grade(grading, student, carrier, started)
        if not result.graded:
            feedback.write_reason(assignment.course, assignment.name, result)
    except (StoppedError, MemoryError):
        raise
    except Exception as error:  # whatever it is, it must not reach the rest of the class
        message = f"The grader itself failed: {type(error).__name__}: {error}"
        result = _not_graded(assignment, student, "environment", message, ())
    return replace(result, seconds=time.monotonic() - started)


def _grade(grading: Grading, student: str, carrier: Carrier, started: float) -> Result:
    assignment = grading.assignment
    try:
        submission = Submission.read(assignment, student)
        repaired = submission.repaired(assignment)
    except MalformedError as why:
        return _not_graded(assignment, student, "malformed", str(why), why.notes)
    except UntrustedError as why:
        return _not_graded(assignment, student, "malformed", str(why), ())
    notes = list(repaired.notes)
    try:
        fresh = _execute(grading, repaired, carrier, notes)
        key, executed = _keep_earlier_checks(grading, submission, fresh)
        grading.journal.forget(assignment.name, student)
        notebooks = {name: run.notebook for name, run in executed.items()}
        grades = record(assignment.course, assignment.name, student, notebooks, repaired.files)
    except (SandboxError, LabError) as error:
        return _not_graded(assignment, student, "environment", str(error), notes)
    feedback.write(assignment.course, assignment.name, student)
    feedback.remove_reason(assignment.course, assignment.name, student)
    outcomes = {name: run.outcome for name, run in executed.items()}
    entry = Entry(outcomes, time.monotonic() - started, notes, submission.work_key)
    grading.journal.keep(assignment.name, student, key, entry)
    return result_of(assignment.course, assignment.name, student, assignment.cells, entry, grades)


def unrecorded(
    grading: Grading, student: str, reason: Reason, message: str, seconds: float
) -> Result:
    """The result of a submission whose process has ended without one, and its page."""
    result = _not_graded(grading.assignment, student, reason, message, ())
    feedback.write_reason(grading.assignment.course, grading.assignment.name, result)
    if reason != "environment":
        with suppress(MalformedError, UntrustedError):
            work = Submission.read(grading.assignment, student).work_key
            refused = Refused(work, reason, message)
            grading.journal.refuse(grading.assignment.name, student, refused)
    return replace(result, seconds=seconds)


def _execute(
    grading: Grading, repaired: Repaired, carrier: Carrier, notes: list[str]
) -> dict[str, Executed]:
    """Run each notebook; ``notes`` get what there is to say, also before one fails."""
    executed: dict[str, Executed] = {}
    for name in repaired.notebooks:
        work = repaired.work(grading.assignment, name, grading.judged_by.limits)
        executed[name] = carrier.execute(work)
        outcome = executed[name].outcome
        notes[:] = limited([*notes, *outcome.notes])
        # for the feedback page
        course = {"reason": outcome.reason, "notes": list(notes)}
        executed[name].notebook.metadata["course"] = course
    notes += [note for run in executed.values() for note in run.outcome.technical]
    return executed


def _keep_earlier_checks(
    grading: Grading, submission: Submission, executed: Mapping[str, Executed]
) -> tuple[str, Mapping[str, Executed]]:
    """Where single questions are graded again and the work is the same: all other checks as they
    were, under the key of that time, since they are as old as that.
    """
    name, student = grading.assignment.name, submission.student
    last = grading.journal.last(name, student) if grading.questions else None
    if last is None:
        return submission.key(grading.judged_by), executed
    key, entry = last
    if entry.work != submission.work_key or set(entry.outcomes) != set(executed):
        return submission.key(grading.judged_by), executed
    return key, {
        notebook: keep_others(run, entry.outcomes[notebook], grading.questions)
        for notebook, run in executed.items()
    }


def _has_pages(assignment: Assignment, student: str) -> bool:
    return all(page.is_file() for page in _pages(assignment, student))


def _pages(assignment: Assignment, student: str) -> list[Path]:
    folder = assignment.course.folder(FEEDBACK, assignment.name, student)
    return [folder / f"{name}.html" for name in assignment.cells]


def _put_pages_right(assignment: Assignment, student: str) -> list[str]:
    """Write the pages again where the folder holds anything but them as we wrote them; returns
    notes.

    Another program may have written there: nbgrader's own pages show the hidden tests.
    """
    pages = _pages(assignment, student)
    altered = [page.name for page in pages if not feedback.is_intact(page)]
    if not altered and {*pages} == {*pages[0].parent.iterdir()}:
        return []
    feedback.write(assignment.course, assignment.name, student)
    note = "was not as this version writes it: it was written again."
    return [f"The feedback page {name} {note}" for name in altered]


def _not_graded(
    assignment: Assignment, student: str, reason: Reason, message: str, notes: Sequence[str]
) -> Result:
    """Nothing goes to the gradebook: a mark is neither given nor lost."""
    graded_cells = [
        cell
        for cells in assignment.cells.values()
        for cell in cells
        if cell.is_test or cell.is_manual
    ]
    checks = [Check(cell.title, 0.0, cell.points, "skipped", message) for cell in graded_cells]
    return Result(student, checks, reason, notes=[message, *notes])
