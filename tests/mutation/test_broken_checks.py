"""A check that is broken fails a test of its own: each condition and each ``raise`` of
``grader.checks`` is tried.
"""

import json
import subprocess
import sys

import pytest

from lab.course import ROOT

from ..conftest import TestLab
from ..suite.checks import CHECKS
from ..suite.items import Item
from .reviewed import chosen, report
from .try_checks import broken_checks

EVERY = 5  # in a short run: of the few, each fifth


@pytest.mark.proves(Item("mutation", CHECKS, "all only"))
@pytest.mark.mutation
@pytest.mark.machine
@pytest.mark.timeout(5400)
def test_broken_checks_fail_their_tests(
    test_lab: TestLab, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    mutants = broken_checks()
    every = pytestconfig.getoption("--mutants") == "all"
    tried = [
        mutants.index(mutant) for mutant in chosen(mutants, pytestconfig)[:: 1 if every else EVERY]
    ]
    left = _unnoticed_outside(tried)
    left = _unnoticed_in_the_lab(left, test_lab) if left else []
    with capsys.disabled():
        print(
            f"\n  grader/checks: {len(mutants)} in all, {len(tried)} tried,"
            f" {len(tried) - len(left)} noticed, {len(left)} not"
        )
    assert left == [], report(
        [mutants[number] for number in left],
        "Write a test into tests/grader/checks that comes by this line.",
    )


def _command(numbers: list[int]) -> list[str]:
    return ["-m", "tests.mutation.try_checks", ",".join(map(str, numbers))]


def _unnoticed_outside(numbers: list[int]) -> list[int]:
    """The tests that need no engine are quick, so they go first."""
    done = subprocess.run(
        [sys.executable, *_command(numbers)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [int(number) for number in json.loads(done.stdout.splitlines()[-1])]


def _unnoticed_in_the_lab(numbers: list[int], test_lab: TestLab) -> list[int]:
    done = test_lab.run("python", *_command(numbers))
    assert done.returncode == 0, done.stdout
    return [int(number) for number in json.loads(done.stdout.splitlines()[-1])]
