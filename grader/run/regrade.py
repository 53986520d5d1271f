"""Grading single questions again: all of the notebook runs, their checks are stored."""

from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace

from grader.exercise.cells import ReleasedCell
from grader.judging.outputs import verdict_outputs
from grader.judging.results import Outcome
from grader.judging.work import Executed
from lab.errors import LabError


def keep_others(executed: Executed, before: Outcome, questions: Collection[str]) -> Executed:
    """All checks but those of ``questions`` as they were ``before``, in the outcome and in the
    notebook's outputs.

    A check that is new, or worth another number of points now, counts as it is.
    """
    notebook, checks = deepcopy(executed.notebook), dict(executed.outcome.checks)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        old, new = before.checks.get(grade_id), checks.get(grade_id)
        if grade_id in questions or old is None or new is None or old.max_points != new.max_points:
            continue
        checks[grade_id] = old
        cell.outputs = verdict_outputs(old)
    return Executed(notebook, replace(executed.outcome, checks=checks))


def ensure_questions(
    questions: Collection[str], released: Mapping[str, Sequence[ReleasedCell]]
) -> None:
    """Raises LabError for what is not the id of a test cell."""
    existing = [cell.grade_id for cells in released.values() for cell in cells if cell.is_test]
    if unknown := [question for question in questions if question not in existing]:
        raise LabError(f"There is no check {', '.join(unknown)}.", f"one of: {', '.join(existing)}")
