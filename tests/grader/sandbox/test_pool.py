"""Sandboxes made ahead: there in time, never more than asked for, and none left, whatever
happens.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from grader.sandbox.interface import SandboxError, StoppedError
from grader.sandbox.pool import Sandboxes


class Played:
    """Counts what a sandbox would be on the machine."""

    def __init__(self, house: "House") -> None:
        self.house = house
        self.alive = True

    def __enter__(self) -> "Played":
        self.house.begin(self)
        return self

    def runs(self) -> bool:
        return self.alive

    def close(self) -> None:
        time.sleep(0.01)
        self.house.present.discard(self)


class House:
    def __init__(self, seconds: float = 0.02, broken: int = 0) -> None:
        self.made, self.most, self.broken, self.seconds = 0, 0, broken, seconds
        self.present: set[Played] = set()
        self.lock = threading.Lock()

    def begin(self, one: Played) -> None:
        with self.lock:
            self.made += 1
            if self.made <= self.broken:
                raise SandboxError("no space")
            self.present.add(one)
            self.most = max(self.most, len(self.present))
        time.sleep(self.seconds)

    def pool(self, ahead: int = 1, needed: int = 5) -> Sandboxes:
        make: Callable[[], Any] = lambda: Played(self)  # noqa: E731
        return Sandboxes(make, ahead=ahead, needed=needed)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_next_one_is_made_while_one_is_in_use() -> None:
    house = House()
    with house.pool() as pool, pool.sandbox() as first:
        until(lambda: len(house.present) == 2)
        assert first in house.present
    assert (house.present, house.made) == (set(), 2)


def test_each_is_used_once_and_none_too_many_is_made() -> None:
    house = House()
    used = []
    with house.pool(ahead=2, needed=5) as pool:
        for _ in range(5):
            with pool.sandbox() as one:
                used.append(one)
    assert (len(set(used)), house.made, house.present) == (5, 5, set())


def test_those_made_ahead_stay_within_the_bound() -> None:
    house = House(seconds=0)
    with house.pool(ahead=2, needed=50) as pool:
        until(lambda: len(house.present) == 2)
        time.sleep(0.1)
        assert len(house.present) == 2
        with pool.sandbox():
            until(lambda: len(house.present) == 3)
            time.sleep(0.1)
            assert len(house.present) == 3
    assert house.present == set()


def test_one_that_cannot_be_made_is_told_and_the_next_one_is_another() -> None:
    house = House(broken=1)
    with house.pool(needed=1) as pool:
        with pytest.raises(SandboxError, match="no space"), pool.sandbox():
            pass
        with pool.sandbox() as second:
            assert second in house.present
    assert house.present == set()


def test_one_that_ended_while_it_waited_is_our_fault_and_not_the_students() -> None:
    house = House()
    with house.pool(needed=1) as pool:
        until(lambda: len(house.present) == 1)
        next(iter(house.present)).alive = False
        with pytest.raises(SandboxError, match="before it was used"), pool.sandbox():
            pass
    assert house.present == set()


def test_stopping_removes_those_in_use_and_gives_up_what_they_were_used_for() -> None:
    house = House()
    outcome: list[str] = []

    def work() -> None:
        try:
            with pool.sandbox():
                begun.set()
                until(lambda: not house.present)
                outcome.append("the work went on to its end, in a sandbox that was gone")
        except StoppedError:
            outcome.append("given up")

    with house.pool(ahead=2) as pool:
        begun = threading.Event()
        worker = threading.Thread(target=work)
        worker.start()
        assert begun.wait(5)
    worker.join(5)
    assert (outcome[-1], house.present) == ("given up", set())


def test_nothing_is_made_after_the_stop() -> None:
    house = House()
    with house.pool() as pool:
        pass
    with pytest.raises(StoppedError), pool.sandbox():
        pass
    assert house.present == set()


def test_stop_in_the_middle_of_making_leaves_none() -> None:
    house = House(seconds=0.2)
    with house.pool(ahead=3, needed=9):
        until(lambda: len(house.present) > 0)
    assert house.present == set()
    assert house.made <= 3
