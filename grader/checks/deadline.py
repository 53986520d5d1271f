"""Looking again until it holds, or until a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from grader.checks.verdict import CheckFailed

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 0.5


class Deadline:
    """A moment on the monotonic clock, `within_seconds` from now."""

    def __init__(self, within_seconds: float) -> None:
        self._end = time.monotonic() + within_seconds

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline; 0.0 once it has passed."""
        return max(0.0, self._end - time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether the deadline has passed."""
        return self.seconds_left == 0.0


def steadily(look: Callable[[], None], for_seconds: float) -> None:
    """Looks again and again for this long; the first `CheckFailed` of `look` ends it.

    >>> steadily(lambda: None, for_seconds=0)
    """
    deadline = Deadline(for_seconds)
    while not deadline.passed:
        look()
        time.sleep(min(LONGEST_PAUSE_SECONDS / 2, deadline.seconds_left))


def eventually(look: Callable[[], T], within_seconds: float) -> T:
    """What `look` returns, as soon as it raises no `CheckFailed`; its last `CheckFailed` once the
    time is over.

    >>> eventually(lambda: "settled", within_seconds=1)
    'settled'
    """
    deadline = Deadline(within_seconds)
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return look()
        except CheckFailed:
            if deadline.passed:
                raise
        time.sleep(min(pause, deadline.seconds_left))
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
