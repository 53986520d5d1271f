"""Verdicts and points as nbgrader reads them: a real kernel runs the cell, nbgrader scores its
outputs.
"""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbgrader.utils import determine_grade  # type: ignore[import-untyped]

from grader import CheckFailed, EnvironmentProblem, credit

FAIL = "raise CheckFailed('`web` is exited.', '`web` running.', 'docker start web')"


def outputs(source: str) -> Any:
    """The cell after a kernel ran it, as nbgrader sees it."""
    metadata = {"grade": True, "solution": False, "points": 3, "grade_id": "q", "locked": True}
    cell: dict[str, Any] = {
        "id": "q",
        "cell_type": "code",
        "execution_count": None,
        "outputs": [],
        "metadata": {"nbgrader": metadata},
        "source": "from grader import *\n" + source,
    }
    book = nbformat.from_dict({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]})  # type: ignore[no-untyped-call]
    NotebookClient(book, allow_errors=True, kernel_name="python3", timeout=60).execute()
    return book.cells[0]


def points(source: str) -> float:
    return float(determine_grade(outputs(source))[0])


PARTS = (
    "with credit(3) as points:\n    with points(1):\n        {}\n    with points(2, 'the port'):\n "
    "       {}\n"
)


def test_every_part_earns_its_points() -> None:
    assert points(PARTS.format("pass", "pass")) == 3
    assert points(PARTS.format("pass", FAIL)) == 1
    assert points(PARTS.format(FAIL, "pass")) == 2


@pytest.mark.parametrize(
    ("second", "shows"), [("pass", "✓ 3 of 3 points"), (FAIL, "1 of 3 points")]
)
def test_a_reader_sees_the_points_as_a_sentence(second: str, shows: str) -> None:
    shown = outputs(PARTS.format("pass", second)).outputs[-1].data
    assert shown["text/markdown"] == shows
    assert float(shown["text/plain"]) == float(shows.removeprefix("✓ ")[0])


def test_no_part_earned_is_a_failure_that_shows_the_first() -> None:
    cell = outputs(PARTS.format(FAIL, FAIL))
    assert determine_grade(cell)[0] == 0
    assert [o.ename for o in cell.outputs if o.output_type == "error"] == ["CheckFailed"]


def test_failed_parts_print_their_three_lines() -> None:
    printed = outputs(PARTS.format("pass", FAIL)).outputs[0].text
    assert (
        printed
        == "0 of 2 points: the port\n`web` is exited.\nExpected: `web` running.\nTry: docker start"
        " web\n"
    )


def test_problem_of_the_environment_is_not_a_part_that_failed() -> None:
    cell = outputs(
        PARTS.format("pass", "raise EnvironmentProblem('The engine is gone.', 'bin/lab up')")
    )
    assert cell.outputs[-1].ename == "EnvironmentProblem"


def test_mistake_in_a_test_cell_is_not_a_part_that_failed() -> None:
    assert outputs(PARTS.format("pass", "nonsense")).outputs[-1].ename == "NameError"


def test_parts_must_add_up() -> None:
    with (
        pytest.raises(ValueError, match="the parts offer 1 points"),
        credit(3) as earned,
        earned(1),
    ):
        pass


def test_failure_shows_three_lines_and_no_traceback() -> None:
    (error,) = outputs(FAIL).outputs
    assert error.ename == "CheckFailed"
    assert error.evalue == "`web` is exited.\nExpected: `web` running.\nTry: docker start web"
    assert error.traceback == error.evalue.splitlines()


def test_environment_problem_shows_three_lines_and_no_traceback() -> None:
    (error,) = outputs("raise EnvironmentProblem('The engine is gone.', 'bin/lab up')").outputs
    assert error.ename == "EnvironmentProblem"
    assert error.traceback == error.evalue.splitlines()
    assert len(error.traceback) == 3


@pytest.mark.parametrize("text", ["a\nb", "a\r\x1b[2Jb", "\u202e", "x" * 10_000, ""])
def test_three_lines_whatever_they_hold(text: str) -> None:
    assert len(str(CheckFailed(text, text, text)).split("\n")) == 3
    assert len(str(EnvironmentProblem(text, text)).split("\n")) == 3
    assert len(str(CheckFailed(text, text, text))) < 2500


def test_no_part_earned_raises_the_first_failure() -> None:
    with pytest.raises(CheckFailed, match="first"), credit(2) as points:  # noqa: PT012
        for what in ("first", "second"):
            with points(1):
                raise CheckFailed(what, "more.", "try")
