"""`credit`: a test cell that gives points for each part of a task."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Real
from typing import Self

from grader.checks.verdict import CheckFailed

_begun: list[credit] = []


def numbers() -> list[float | None]:
    """The numbers that the cell which ran last gives: of each `credit` (None where it did not come
    to its end), else that of its last expression. For `bin/lab grade`, which asks once after each
    cell: what a cell prints can be cut, and the number with it.
    """
    from IPython.core.getipython import get_ipython

    blocks = list(_begun)
    _begun.clear()
    if blocks:
        return [block.result for block in blocks]
    shell = get_ipython()
    value = shell.user_ns["_oh"].get(shell.execution_count - 1) if shell else None
    return [float(value)] if isinstance(value, Real) and not isinstance(value, bool) else []


class _Points(float):
    """A number to nbgrader, a sentence to the reader of a notebook."""

    def __new__(cls, earned: float, out_of: float) -> Self:
        points = super().__new__(cls, earned)
        points.text = f"{'✓ ' if earned == out_of else ''}{earned:g} of {out_of:g} points"
        return points

    text: str

    def __repr__(self) -> str:
        return f"{float(self):g}"

    def _repr_markdown_(self) -> str:
        return self.text


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
        self.result: float | None = None
        self._offered: float = 0
        self._failures: list[CheckFailed] = []

    def __enter__(self) -> credit:
        _begun.append(self)
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
        self.result = self.earned
        sys.displayhook(_Points(self.earned, self.out_of))
