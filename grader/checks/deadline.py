"""Looking again until it holds, or until a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from grader.checks import pace
from grader.checks.verdict import CheckFailed

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 0.5


class Deadline:
    """A moment on the monotonic clock, `within_seconds` from now; later on a slow machine, by its
    pace.
    """

    def __init__(self, within_seconds: float) -> None:
        self._began = time.monotonic()
        self._seconds = within_seconds
        self._end = self._began + within_seconds * pace.current()

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline; 0.0 once it has passed."""
        return max(0.0, self._end - time.monotonic())

    @property
    def nominal_seconds_left(self) -> float:
        """The same in the seconds that limits are written in, which last longer on a slow
        machine.
        """
        return self.seconds_left / pace.current()

    @property
    def seconds_gone(self) -> float:
        """Seconds since it was set."""
        return time.monotonic() - self._began

    @property
    def passed(self) -> bool:
        """Whether the deadline has passed."""
        return self.seconds_left == 0.0

    def extended(self) -> bool:
        """Whether there is time left after all, because the machine has become slower meanwhile.

        Measures the pace, so ask only when the time is over.
        """
        if self._seconds:
            self._end = max(self._end, self._began + self._seconds * pace.measured())
        return not self.passed


def allowed(seconds: float) -> float:
    """What a limit of so many seconds comes to at the machine's pace."""
    return seconds * pace.current()


def in_time(wait: Callable[[float], bool], within_seconds: float) -> bool:
    """Whether what `wait` waits for happens within so many seconds, or more on a machine that
    turns out to be slow.

    >>> in_time(lambda seconds: True, within_seconds=1)
    True
    """
    deadline = Deadline(within_seconds)
    while not wait(deadline.seconds_left):
        if deadline.passed and not deadline.extended():
            return False
    return True


def steadily(look: Callable[[], None], for_seconds: float) -> None:
    """Looks again and again for this long, on a slow machine too; the first `CheckFailed` of `look`
    ends it.

    >>> steadily(lambda: None, for_seconds=0)
    """
    end = time.monotonic() + for_seconds
    while (left := end - time.monotonic()) > 0:
        look()
        time.sleep(min(LONGEST_PAUSE_SECONDS / 2, left))


def eventually(look: Callable[[], T], within_seconds: float | Deadline) -> T:
    """What `look` returns, as soon as it raises no `CheckFailed`; its last `CheckFailed` once the
    time is over: so many seconds, or a deadline that others share.

    >>> eventually(lambda: "settled", within_seconds=1)
    'settled'
    """
    given = within_seconds
    deadline = given if isinstance(given, Deadline) else Deadline(given)
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return look()
        except CheckFailed:
            if deadline.passed and not deadline.extended():
                raise
        time.sleep(min(pause, deadline.seconds_left))
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
