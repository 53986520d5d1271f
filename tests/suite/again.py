"""What failed in a whole run is tried again, alone, before the run is called red.

Three thousand tests on real engines share two processors, and one that fails once in a thousand
runs would stop each second run. A test that fails is still a fault: it is named, and what is known
of it is kept (``tests/evidence.py``). More than `MOST` at once are no accident, and ``--all`` and
tests that were named are never tried again.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from tests.evidence import KEPT

MOST, TIMES = 3, 2
TO_ITS_OWN_FOLDER = {"COURSE_TESTS_FAILED": str(KEPT / "again")}


@dataclass(frozen=True)
class Again:
    """The tests that failed, and whether all of them passed each time they were tried again."""

    failed: Sequence[str]
    passed: bool

    def lines(self) -> Iterator[str]:
        what = (
            f"passed {TIMES} times alone: the run is green, and these are faults to find"
            if self.passed
            else "failed again"
        )
        yield f"{len(self.failed)} failed among all others, and {what} ({KEPT} has what is known)"
        yield from (f"      {test}" for test in self.failed)


class Failures:
    """The names of the tests that failed, in the order in which they were reported."""

    def __init__(self) -> None:
        self._failed: dict[str, None] = {}

    def add(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed[report.nodeid] = None

    def tried_again(self, config: pytest.Config) -> Again | None:
        """None if there is nothing to try, or too much."""
        failed = list(self._failed)
        if not 0 < len(failed) <= MOST:
            return None
        alone = ["-n", "0"] if config.getoption("numprocesses", None) else []
        options = config.invocation_params.args  # a whole run names no tests
        command = [sys.executable, "-m", "pytest", *options, *alone, *failed]
        return Again(failed, all(_passes(command, config) for _ in range(TIMES)))


def _passes(command: list[str], config: pytest.Config) -> bool:
    environment = os.environ | TO_ITS_OWN_FOLDER
    done = subprocess.run(command, cwd=config.rootpath, env=environment, check=False)
    return done.returncode == pytest.ExitCode.OK
