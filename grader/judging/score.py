"""The points of a test cell, from the numbers that it gave."""

import json
import math
from collections.abc import Sequence
from typing import Any

from grader.exercise.cells import ReleasedCell
from grader.judging.inputs import CheckNotMadeError, value_of
from grader.judging.results import Check, CheckStatus

# of the test that ran last; asked apart from what it printed, which may be cut
NUMBERS = "__import__('grader.checks.partial', fromlist=['numbers']).numbers()"


def numbers_of(claim: object) -> list[float | None]:
    """The numbers that the checker's kernel names for `NUMBERS`; None: a ``credit`` without end."""
    try:
        return list(json.loads(value_of(claim)))
    except ValueError as why:
        raise CheckNotMadeError(f"The number that a check gave {why}") from None


def unearned(released: ReleasedCell, status: CheckStatus, message: str) -> Check:
    """No points, and why."""
    return Check(released.title, 0.0, released.points, status, message)


def scored(
    released: ReleasedCell, outputs: Sequence[dict[str, Any]], numbers: Sequence[float | None]
) -> Check:
    """Full points, or the number that the check gave; what it printed says why."""
    points = numbers[0] if numbers else released.points
    if len(numbers) > 1 or points is None:
        raise CheckNotMadeError(
            f"The check {released.grade_id} has a `credit` that did not come to its end, or more"
            " than one"
        )
    if points == released.points:
        return Check(released.title, released.points, released.points, "passed")
    if not (math.isfinite(points) and 0 <= points <= released.points):
        raise CheckNotMadeError(
            f"The check {released.grade_id} gave {points:g} of {released.points:g} points"
        )
    printed = "".join(
        str(output.get("text", "")) for output in outputs if output.get("name") == "stdout"
    ).strip()
    return Check(
        released.title,
        points,
        released.points,
        "failed",
        printed or f"{points:g} of {released.points:g} points: a part of it is right.",
    )
