"""Deadlines follow the machine's pace: none asks a slow machine for more than it can do, and none
is longer on one that has time to spare.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from grader.checks import pace
from grader.checks.deadline import Deadline, allowed, eventually, in_time, steadily
from grader.checks.verdict import CheckFailed

FAILURE = CheckFailed("It is not there.", "it to be there.", "make it")


@pytest.fixture(autouse=True)
def _forget_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_latest", 1.0)


def usual(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """A machine on which the job usually takes so long."""
    monkeypatch.setattr(pace, "REFERENCE_SECONDS", seconds)


@contextmanager
def processes(code: str, number: int) -> Iterator[None]:
    """So many processes that run this code."""
    started = [subprocess.Popen(["python3", "-c", code]) for _ in range(number)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def failing_until(moment: float) -> Callable[[], str]:
    """A look that fails until then."""

    def look() -> str:
        if time.monotonic() < moment:
            raise FAILURE
        return "there"

    return look


def test_machine_with_time_to_spare_changes_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    usual(monkeypatch, 60)
    began = time.monotonic()
    with pytest.raises(CheckFailed):
        eventually(failing_until(began + 60), within_seconds=0.5)
    assert pace.current() == 1.0
    assert allowed(7) == 7


def test_slow_machine_gets_more_time_when_a_limit_is_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual(monkeypatch, 0.001)
    assert eventually(failing_until(time.monotonic() + 2), within_seconds=1) == "there"
    assert pace.current() == pace.MOST
    assert Deadline(10).seconds_left > 9 * pace.MOST


def test_command_that_a_slow_machine_runs_gets_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    usual(monkeypatch, 0.001)
    ended = threading.Event()
    threading.Timer(1.5, ended.set).start()
    assert in_time(ended.wait, within_seconds=1)
    began = time.monotonic()
    assert not in_time(threading.Event().wait, within_seconds=0.2)
    assert time.monotonic() - began < 0.2 * pace.MOST + 5


def test_no_machine_gets_time_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    usual(monkeypatch, 1e-9)
    began = time.monotonic()
    with pytest.raises(CheckFailed):
        eventually(failing_until(began + 600), within_seconds=0.2)
    assert time.monotonic() - began < 0.2 * pace.MOST + 30


def test_look_that_may_not_wait_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    usual(monkeypatch, 0.001)
    looks = []

    def look() -> None:
        looks.append(1)
        raise FAILURE

    with pytest.raises(CheckFailed):
        eventually(look, within_seconds=0)
    assert looks == [1]


def test_deadline_tells_its_time_in_both_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    usual(monkeypatch, 0.001)
    pace.measured()
    deadline = Deadline(10)
    assert deadline.seconds_left > 9 * pace.MOST
    assert 9 < deadline.nominal_seconds_left <= 10
    assert deadline.seconds_gone < 5


def test_watching_takes_no_longer_on_a_slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    usual(monkeypatch, 0.001)
    pace.measured()
    began = time.monotonic()
    steadily(lambda: None, for_seconds=2)
    assert time.monotonic() - began < 2 * pace.MOST


def test_load_of_the_machine_is_felt(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = min(pace._timed() for _ in range(5))
    usual(monkeypatch, alone)
    with processes("while True: pass", 24):
        assert max(pace.measured() for _ in range(3)) > 1.0
