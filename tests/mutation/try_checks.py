"""Breaks ``grader.checks`` in small ways, one after the other, and prints (as JSON) the numbers of those that no test notices.

Run as ``python -m tests.mutation.try_checks NUMBERS``: those of the mutants, with commas between them. The tests of ``tests/grader/checks`` run
once with coverage.py, so that a mutant meets only the tests that come by its line, the quickest first. Each runs in a process that is forked
from one that has imported all but the checks, and sees the broken module by way of the import system: no file is changed.
"""

import ast
import importlib.machinery
import importlib.util
import json
import os
import select
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import coverage
import pytest

from .mutants import Mutant, of_code

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "grader" / "checks"
TESTS = "tests/grader/checks"
OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "-W", "ignore")
COVERAGE_SECONDS = 600
MUTANT_SECONDS = 120


def broken_checks() -> list[Mutant]:
    """All mutants of the checks, always in the same order."""
    files = sorted(PACKAGE.glob("*.py"))
    return [mutant for file in files for mutant in of_code(file.relative_to(ROOT).as_posix(), file.read_text())]


class Watch:
    """Notes for each test how long it takes, and for each line of the checks which tests come by."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self.measured = measured
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.measured.switch_context(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration


class Break(importlib.machinery.SourceFileLoader):
    """In place of a module, its mutant: loader and finder in one."""

    def __init__(self, mutant: Mutant) -> None:
        self.source = mutant.source
        super().__init__(mutant.where.removesuffix(".py").replace("/", "."), str(ROOT / mutant.where))

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> Any:
        return compile(self.source, self.path, "exec")


def in_a_fork(work: Callable[[], int], seconds: float) -> int | None:
    """The exit status of some work in a silent process of its own; None when it does not end in time."""
    child = os.fork()
    if not child:
        os.setsid()
        silent = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silent, stream)
        try:
            os._exit(work())
        finally:
            os._exit(70)
    ended = os.pidfd_open(child)
    try:
        if not select.select([ended], [], [], seconds)[0]:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
    finally:
        os.close(ended)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def map_tests(folder: Path) -> None:
    """Run all tests once, unbroken; leaves what was measured in the folder."""

    def work() -> int:
        measured = coverage.Coverage(str(folder / "coverage"), source=[str(PACKAGE)], config_file=False)
        watch = Watch(measured)
        measured.start()
        status = pytest.main([*OPTIONS, TESTS], plugins=[watch])
        measured.stop()
        measured.save()
        (folder / "seconds.json").write_text(json.dumps(watch.seconds))
        return int(status)

    status = in_a_fork(work, COVERAGE_SECONDS)
    if status != 0:
        sys.exit(f"The tests of {TESTS} fail before anything is broken (exit status {status}).")


def tests_near(mutant: Mutant, data: coverage.CoverageData, seconds: dict[str, float]) -> list[str]:
    """The tests that come by the statement that is broken, the quickest first."""
    contexts = data.contexts_by_lineno(str(ROOT / mutant.where))
    found = {test for line in statement(mutant.original, mutant.line) for test in contexts.get(line, [])}
    return sorted(found & seconds.keys(), key=lambda test: seconds[test])


def statement(source: str, line: int) -> range:
    """The lines of the smallest statement around a line."""
    around = [
        range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return min(around, key=len)


def noticed(mutant: Mutant, tests: Sequence[str]) -> bool:
    def work() -> int:
        sys.meta_path.insert(0, Break(mutant))  # type: ignore[arg-type]
        return int(pytest.main([*OPTIONS, *tests]))

    return bool(tests) and in_a_fork(work, MUTANT_SECONDS) != 0


def survivors(numbers: Iterable[int]) -> list[int]:
    mutants = broken_checks()
    with tempfile.TemporaryDirectory() as folder:
        map_tests(Path(folder))
        data = coverage.CoverageData(str(Path(folder, "coverage")))
        data.read()
        seconds = json.loads(Path(folder, "seconds.json").read_text())
        near = {number: tests_near(mutants[number], data, seconds) for number in numbers}
    return [number for number, tests in near.items() if not noticed(mutants[number], tests)]


if __name__ == "__main__":
    print(json.dumps(survivors(map(int, sys.argv[1].split(",")))))
