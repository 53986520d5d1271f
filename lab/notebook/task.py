"""Your turn: the reader writes a cell, and the next one looks at what it made."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from IPython.core.getipython import get_ipython
from IPython.display import display
from IPython.utils.text import SList

from lab.lessontexts import Task
from lab.notebook.errors import LessonError
from lab.notebook.facts import table
from lab.notebook.texts import task

PASSED = "✓ That is it."
_misses: Counter[str] = Counter()
"""By key, for as long as this kernel lives: the hints come one after the other."""


def check(key: str) -> None:
    """Look at what the reader made for the task `key` of `course/lesson-texts/`. What is missing is
    said as an exercise's check says it, with a hint: each time one more. A solution is folded below
    it, and below a pass: there is more than one way.

    >>> check("04-bell")
    """
    asked = task(key)
    missing = _missing(asked)
    if missing is None:
        _misses.pop(key, None)
        display(_Passed(asked.solution))  # type: ignore[no-untyped-call]
        return
    hints = asked.hints[: _misses[key] + 1]
    _misses[key] += 1
    found, expected = missing
    display(_Missed(found, expected, hints, asked.solution))  # type: ignore[no-untyped-call]


def _missing(asked: Task) -> tuple[str, str] | None:
    """What was found and what was expected, if the check is not passed."""
    ipython: Callable[[], object] = get_ipython
    held = dict(getattr(ipython(), "user_ns", {}))
    # `name = !command` does as well as %%shell --capture name
    names = {name: one.n if isinstance(one, SList) else one for name, one in held.items()}
    try:
        exec(compile(asked.check, f"<the check of {asked.key}>", "exec"), names)  # noqa: S102
    except Exception as error:
        # A failed check is the grader's, which this package does not know; it has these.
        if hasattr(error, "found") and hasattr(error, "expected"):
            return str(error.found), str(error.expected)
        if hasattr(error, "hint"):  # the lab is not well
            raise LessonError(str(error)) from error
        raise
    return None


@dataclass(frozen=True)
class _Passed:
    solution: str

    def __repr__(self) -> str:
        return PASSED

    def _repr_html_(self) -> str:
        return f"<p>{PASSED}</p>{_folded('One way to write it', self.solution)}"


@dataclass(frozen=True)
class _Missed:
    found: str
    expected: str
    hints: list[str]
    solution: str

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {text}" for name, text in self._rows())

    def _repr_html_(self) -> str:
        rows = table((name, _code(text)) for name, text in self._rows())
        return f"{rows}{_folded('A solution', self.solution)}"

    def _rows(self) -> list[tuple[str, str]]:
        rows = [("Not yet", self.found), ("Expected", self.expected)]
        return rows + [(f"Hint {n}", hint) for n, hint in enumerate(self.hints, start=1)]


def _folded(summary: str, text: str) -> str:
    return f"<details><summary>{summary}</summary><pre>{escape(text)}</pre></details>"


def _code(text: str) -> str:
    """What stands between backquotes as code."""
    parts = escape(text).split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return "".join(f"<code>{part}</code>" if n % 2 else part for n, part in enumerate(parts))
