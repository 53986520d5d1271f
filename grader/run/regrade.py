"""Grading a question again: the whole notebook runs, since cells build on earlier ones, but only
that question's check is stored.
"""

from collections.abc import Collection, Mapping, Sequence

from nbformat import NotebookNode

from grader.judging.execution import Outcome, verdict_outputs
from grader.judging.repair import ReleasedCell
from lab.errors import LabError


def keep_others(
    notebook: NotebookNode, outcome: Outcome, before: Outcome, questions: Collection[str]
) -> None:
    """Put all checks but those of ``questions`` back to what they were ``before``, in the outcome
    and in the notebook's outputs.

    A check that is new, or worth another number of points now, counts as it is.
    """
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        old, new = before.checks.get(grade_id), outcome.checks.get(grade_id)
        if grade_id in questions or old is None or new is None or old.max_points != new.max_points:
            continue
        outcome.checks[grade_id] = old
        cell.outputs = verdict_outputs(old)


def ensure_questions(
    questions: Collection[str], released: Mapping[str, Sequence[ReleasedCell]]
) -> None:
    """Raises LabError for what is not the id of a test cell."""
    known = [cell.grade_id for cells in released.values() for cell in cells if cell.is_test]
    if unknown := [question for question in questions if question not in known]:
        raise LabError(f"There is no check {', '.join(unknown)}.", f"one of: {', '.join(known)}")
