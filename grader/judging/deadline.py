"""How long one submission may be run, whatever is in it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from grader.sandbox.interface import SandboxLimits

RUNNING_SHARE = 0.9  # the rest is for writing its grades and its pages


class Deadline:
    """When no further cell or check of a submission begins. Time that we wait does not count."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    @classmethod
    def of(cls, limits: SandboxLimits) -> Self:
        """For all attempts at a submission that begins now."""
        return cls(limits.grading_seconds * RUNNING_SHARE)

    @property
    def left(self) -> float:
        """Seconds, not below zero."""
        return max(self._end - self._clock(), 0.0)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While a sandbox is being waited for."""
        begun = self._clock()
        try:
            yield
        finally:
            self._end += self._clock() - begun
