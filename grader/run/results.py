"""The last results of a class, without running anything: what the report is made of."""

from pathlib import Path

from grader.archive import UntrustedError
from grader.course import JOURNAL, SUBMITTED, Course, submitters
from grader.gradebook.journal import Journal
from grader.gradebook.record import recorded
from grader.gradebook.results import result_of
from grader.judging.repair import MalformedError
from grader.judging.results import Result
from grader.run.submission import Assignment, Submission


def last_results(root: Path, assignment: str) -> list[Result]:
    """The last recorded result of everybody who handed in; ``malformed`` for a hand-in that cannot
    be graded, ``environment`` for one that has yet to be.
    """
    course = Course(root)
    released = Assignment.open(course, assignment)
    entries = Journal(root / JOURNAL).latest(assignment)
    results = []
    for student in submitters(course):
        grades = recorded(course, assignment, student) if student in entries else None
        if grades is not None:
            entry = entries[student]
            results.append(result_of(course, assignment, student, released.cells, entry, grades))
        elif course.folder(SUBMITTED, assignment, student).is_dir():
            results.append(_without_grades(released, student))
    return results if entries else []


def _without_grades(assignment: Assignment, student: str) -> Result:
    try:
        Submission.read(assignment, student).repaired(assignment)
    except MalformedError as why:
        return Result(student, [], "malformed", notes=[str(why), *why.notes])
    except UntrustedError as why:
        return Result(student, [], "malformed", notes=[str(why)])
    note = "Not graded yet, or not to be graded: see bin/lab grade."
    return Result(student, [], "environment", notes=[note])
