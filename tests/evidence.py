"""What is kept of a test that failed: its report, and the logs and notebooks of what it used, in
``.lab/failed/<test>/``.

A fixture's value that has a method ``evidence(arguments)`` gives them: contents by file name.
``arguments`` are all of the test's own, by name.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pytest

from lab.course import STATE

# The variable is for the test of this module.
KEPT = Path(os.environ.get("COURSE_TESTS_FAILED", STATE / "failed"))
LONGEST_NAME, MOST_NAMED = 100, 20
LOGS = Path("/var/log/lab")  # where these tests run inside a lab


@runtime_checkable
class Witness(Protocol):
    """What can say what happened."""

    def evidence(self, arguments: Mapping[str, Any]) -> Mapping[str, bytes]:
        """Contents by file name."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what is known of a failure, while what the test used is there."""
    report = yield
    if report.failed:
        keep(item, report)
    return report


def pytest_sessionstart(session: pytest.Session) -> None:
    """Forget the last run's; workers and suites inside a lab add to the run that started them."""
    if not hasattr(session.config, "workerinput") and not LOGS.is_dir():
        shutil.rmtree(KEPT, ignore_errors=True)


def keep(item: pytest.Item, report: pytest.TestReport) -> None:
    """Write what is known of a failure. What cannot be had is named in its place: the failure
    itself must be reported.
    """
    folder = KEPT / folder_name(item.nodeid)
    folder.mkdir(parents=True, exist_ok=True)
    sections = "".join(f"\n----- {title} -----\n{text}" for title, text in report.sections)
    (folder / f"{report.when}.txt").write_text(
        f"{item.nodeid}\n\n{report.longreprtext}\n{sections}"
    )
    for name, content in _told(item):
        (folder / name).write_bytes(content)


def _told(item: pytest.Item) -> Iterator[tuple[str, bytes]]:
    for path in LOGS.glob("*.log"):
        yield path.name, path.read_bytes()
    arguments: Mapping[str, Any] = getattr(item, "funcargs", {})
    for argument, value in arguments.items():
        for witness in value if isinstance(value, tuple) else (value,):
            if isinstance(witness, Witness):
                yield from _of(witness, argument, arguments)


def _of(witness: Witness, name: str, arguments: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    try:
        for file, content in witness.evidence(arguments).items():
            yield f"{name}-{file}", content
    except Exception as error:
        yield f"{name}.txt", f"Nothing could be had: {error!r}".encode()


def notebooks(course: Path, student: str = "*") -> dict[str, bytes]:
    """The graded notebooks of a course, by name; ``student`` may be a pattern."""
    graded = course.glob(f"autograded/{student}/*/*.ipynb")
    return {f"{path.parent.parent.name}.ipynb": path.read_bytes() for path in graded}


def folder_name(nodeid: str) -> str:
    """The folder of a test, such as ``test_lessons.test_lesson_runs_twice.06-dockerfile.ipynb``."""
    name = re.sub(r"[^\w.-]+", ".", nodeid.removeprefix("tests/").replace(".py::", ".")).strip(".")
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[:LONGEST_NAME]}-{hashlib.sha256(nodeid.encode()).hexdigest()[:6]}"


def summary(reporter: pytest.TerminalReporter) -> None:
    """Name the folder."""
    kept = sorted(path.name for path in KEPT.glob("*")) if KEPT.is_dir() else []
    if kept:
        reporter.section("kept of what failed: reports, logs, notebooks")
        for name in kept[:MOST_NAMED]:
            reporter.write_line(str(KEPT / name))
        if len(kept) > MOST_NAMED:
            reporter.write_line(f"and {len(kept) - MOST_NAMED} more in {KEPT}")
