"""The last results of a class, without running anything: what the report is made of."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from grader.archive import HandInLimits, UntrustedError
from grader.course import JOURNAL, SUBMITTED, Course, submitters
from grader.gradebook.journal import Journal, Refused
from grader.gradebook.record import recorded
from grader.gradebook.results import result_of
from grader.judging.repair import MalformedError
from grader.judging.results import Result
from grader.run.submission import Assignment, Submission

# of work that is read here, for its reason; more is read where memory is limited, in grading
LOOKED_AT_BYTES = HandInLimits().total_bytes


def last_results(root: Path, assignment: str) -> list[Result]:
    """The last recorded result of everybody who handed in; ``malformed`` or ``over-limit`` for a
    hand-in that cannot be graded, whatever was graded before it; ``environment`` for one that has
    yet to be.
    """
    course = Course(root)
    released = Assignment.open(course, assignment)
    journal = Journal(root / JOURNAL)
    entries, refused = journal.latest(assignment), journal.refused(assignment)
    results = []
    for student in submitters(course):
        handed_in = course.folder(SUBMITTED, assignment, student).is_dir()
        grades = recorded(course, assignment, student) if student in entries else None
        cannot = None
        if handed_in:
            graded = entries[student].work if grades else None
            cannot = _cannot_be_graded(released, student, graded, refused.get(student))
        if cannot is not None:
            earlier = ["The mark in the gradebook is of an earlier hand-in."] if grades else []
            results.append(replace(cannot, notes=[*cannot.notes, *earlier]))
        elif grades is not None:
            entry = entries[student]
            results.append(result_of(course, assignment, student, released.cells, entry, grades))
        elif handed_in:
            note = "Not graded yet, or not to be graded: see bin/lab grade."
            results.append(Result(student, [], "environment", notes=[note]))
    return results if entries else []


def _cannot_be_graded(
    assignment: Assignment, student: str, graded: str | None, refused: Refused | None
) -> Result | None:
    """Why a student's work cannot be graded; None where it can, or was (``graded``)."""
    try:
        submission = Submission.read(assignment, student)
        if refused is not None and refused.work == submission.work_key:
            reason: Any = refused.reason
            return Result(student, [], reason, notes=[refused.note])
        size = sum(map(len, submission.files.values()))
        if submission.work_key != graded and size <= LOOKED_AT_BYTES:
            submission.repaired(assignment)
    except MalformedError as why:
        return Result(student, [], "malformed", notes=[str(why), *why.notes])
    except UntrustedError as why:
        return Result(student, [], "malformed", notes=[str(why)])
    return None
