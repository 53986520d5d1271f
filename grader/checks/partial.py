"""`credit`: a test cell that gives points for each part of a task."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from grader.checks.verdict import CheckFailed


class credit:  # noqa: N801  (reads as a statement: `with credit(3) as points:`)
    """Partial credit: parts that each earn their points, or print their three lines and earn none.

    At the end the points become the cell's result, which is the number nbgrader reads: nothing has
    to be returned. With no point earned the first part's `CheckFailed` is raised instead. Anything
    else than `CheckFailed` passes through.

    >>> with credit(3) as points:
    ...     with points(1, "the port is published"):
    ...         pass
    ...     with points(2, "the page is served"):
    ...         raise CheckFailed("`/` answered with status 404.", "status 200.", "docker logs web")
    0 of 2 points: the page is served
    `/` answered with status 404.
    Expected: status 200.
    Try: docker logs web
    1
    """

    def __init__(self, out_of: float) -> None:
        self.out_of = out_of
        self.earned: float = 0
        self._offered: float = 0
        self._failures: list[CheckFailed] = []

    def __enter__(self) -> credit:
        return self

    @contextmanager
    def __call__(self, points: float, part: str = "") -> Iterator[None]:
        """One part of the task and its points; `part` says in words what it asks."""
        self._offered += points
        try:
            yield
        except CheckFailed as failure:
            self._failures.append(failure)
            print(f"0 of {points} points" + (f": {part}" if part else ""), failure, sep="\n")  # noqa: T201  (the student reads it)
        else:
            self.earned += points

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None:
            return
        if self._offered != self.out_of:
            raise ValueError(f"the parts offer {self._offered} points, credit() says {self.out_of}")
        if self._failures and self.earned == 0:
            raise self._failures[0]
        sys.displayhook(self.earned)
