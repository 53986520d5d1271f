"""Breaks ``grader.checks`` in small ways, one after the other, and prints (as JSON) the numbers of
those that no test notices.

Run as ``python -m tests.mutation.try_checks NUMBERS``: those of the mutants, with commas between
them. The tests of ``tests/grader/checks`` run once with coverage.py, so that a mutant meets only
the tests that come by its line, the quickest first. They run in a copy of the checkout, each time
in a process that is forked from one that has imported everything but the course's own packages.
"""

import ast
import json
import os
import select
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import coverage
import pytest

from .mutants import Mutant, of_code

ROOT = Path(__file__).parents[2]
PARTS = ("assignments", "course", "docs", "grader", "lab", "solutions", "tests")
PACKAGE = "grader/checks"
TESTS = "tests/grader/checks"
OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "-W", "ignore")
COVERAGE_SECONDS = 600
MUTANT_SECONDS = 120


def broken_checks() -> list[Mutant]:
    """All mutants of the checks, always in the same order."""
    files = sorted((ROOT / PACKAGE).glob("*.py"))
    return [
        mutant
        for file in files
        for mutant in of_code(file.relative_to(ROOT).as_posix(), file.read_text())
    ]


class Copy:
    """A copy of the checkout in which one file at a time is broken."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        self.log = folder / "log"
        self.checkout.mkdir()
        shutil.copy(ROOT / "pyproject.toml", self.checkout)
        for part in PARTS:
            shutil.copytree(
                ROOT / part, self.checkout / part, ignore=shutil.ignore_patterns("__pycache__")
            )

    def run(
        self, tests: Sequence[str], plugins: Sequence[object] = (), seconds: float = MUTANT_SECONDS
    ) -> int | None:
        """The exit status of pytest in a process of its own, whose output goes to the log; None
        when it does not end in time.
        """
        child = os.fork()
        if not child:
            self._become_pytest(tests, plugins)
        ended = os.pidfd_open(child)
        try:
            if not select.select([ended], [], [], seconds)[0]:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return None
        finally:
            os.close(ended)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def _become_pytest(self, tests: Sequence[str], plugins: Sequence[object]) -> None:
        try:
            os.setsid()
            with self.log.open("wb") as log, Path(os.devnull).open() as nothing:
                for stream, end in enumerate((nothing, log, log)):
                    os.dup2(end.fileno(), stream)
            os.environ["PYTHONDONTWRITEBYTECODE"] = (
                "1"  # one second may see two contents of one size
            )
            sys.dont_write_bytecode = True
            os.chdir(self.checkout)
            sys.path.insert(0, str(self.checkout))
            status = int(pytest.main([*OPTIONS, *tests], plugins=list(plugins)))
            sys.stdout.flush()
            os._exit(status)
        finally:
            os._exit(70)

    def notices(self, mutant: Mutant, tests: Sequence[str]) -> bool:
        """Whether one of these tests fails on it."""
        file = self.checkout / mutant.where
        file.write_text(mutant.source)
        try:
            return bool(tests) and self.run(tests) != 0
        finally:
            file.write_text(mutant.original)


class Watch:
    """Measures the unbroken tests: how long each takes, and which of them come by a line."""

    def __init__(self, copy: Copy) -> None:
        self._copy = copy
        self._files = copy.checkout.with_name("coverage"), copy.checkout.with_name("seconds.json")
        self._seconds: dict[str, float] = {}
        status = copy.run([TESTS], [self], COVERAGE_SECONDS)
        if status != 0:
            sys.exit(
                f"The tests of {TESTS} fail before anything is broken (exit status"
                f" {status}):\n{copy.log.read_text()}"
            )
        self._data = coverage.CoverageData(str(self._files[0]))
        self._data.read()
        self._seconds = json.loads(self._files[1].read_text())

    def pytest_configure(self) -> None:
        folder = str(self._copy.checkout / PACKAGE)
        self._coverage = coverage.Coverage(str(self._files[0]), source=[folder], config_file=False)
        self._coverage.start()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self._coverage.switch_context(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] = self._seconds.get(report.nodeid, 0) + report.duration

    def pytest_unconfigure(self) -> None:
        self._coverage.stop()
        self._coverage.save()
        self._files[1].write_text(json.dumps(self._seconds))

    def tests_near(self, mutant: Mutant) -> list[str]:
        """The tests that come by the statement that is broken, the quickest first."""
        contexts = self._data.contexts_by_lineno(str(self._copy.checkout / mutant.where))
        found = {
            test
            for line in statement(mutant.original, mutant.line)
            for test in contexts.get(line, [])
        }
        return sorted(found & self._seconds.keys(), key=lambda test: self._seconds[test])


def statement(source: str, line: int) -> range:
    """The lines of the smallest statement around a line."""
    around = [
        range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return min(around, key=len)


def survivors(numbers: Iterable[int]) -> list[int]:
    mutants = broken_checks()
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder))
        watch = Watch(copy)
        return [
            number
            for number in numbers
            if not copy.notices(mutants[number], watch.tests_near(mutants[number]))
        ]


if __name__ == "__main__":
    print(json.dumps(survivors(map(int, sys.argv[1].split(",")))))
