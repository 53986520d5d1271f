"""What is recorded of a class: each student's result, with the marks given by hand since."""

from collections.abc import Iterator, Mapping, Sequence

from grader.course import Course
from grader.exercise.cells import ReleasedCell
from grader.gradebook.journal import Entry
from grader.gradebook.record import Recorded, late_penalty
from grader.judging.results import NO_ANSWER, Check, Outcome, Result
from grader.sandbox.interface import Reason

SEVERITY: tuple[Reason, ...] = ("environment", "out-of-memory", "kernel-died", "timeout")


def result_of(
    course: Course,
    assignment: str,
    student: str,
    released: Mapping[str, Sequence[ReleasedCell]],
    entry: Entry,
    grades: Mapping[tuple[str, str], Recorded],
) -> Result:
    """What was recorded of a submission, with the marks that the gradebook holds now."""
    reasons = {outcome.reason for outcome in entry.outcomes.values()}
    reason = next((one for one in SEVERITY if one in reasons), None)
    checks = [
        check
        for name, cells in released.items()
        for check in checks_of(name, cells, entry.outcomes[name], grades)
    ]
    penalty = late_penalty(course, assignment, student)
    return Result(student, checks, reason, entry.seconds, entry.notes, penalty)


def checks_of(
    notebook: str,
    cells: Sequence[ReleasedCell],
    outcome: Outcome,
    grades: Mapping[tuple[str, str], Recorded],
) -> Iterator[Check]:
    """The checks of a notebook with the points that the gradebook holds now."""
    for cell in cells:
        grade = grades.get((notebook, cell.grade_id))
        if cell.is_test and grade is not None:
            check = outcome.checks[cell.grade_id]
            points = min(grade.points, cell.points) if grade.by_hand else check.points
            yield Check(check.name, points, cell.points, check.status, check.message)
        elif cell.is_manual and grade is not None:
            yield _manual_check(cell, grade)


def _manual_check(cell: ReleasedCell, grade: Recorded) -> Check:
    points = min(grade.points, cell.points)
    if grade.needs_grading:
        return Check(
            cell.title, points, cell.points, "needs-grading", "A person reads this answer."
        )
    if grade.by_hand:
        return Check(
            cell.title, points, cell.points, "passed" if points else "failed", "Graded by a person."
        )
    return Check(cell.title, 0.0, cell.points, "failed", NO_ANSWER)
