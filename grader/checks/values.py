"""`given("answer")`: a value the student assigned. Compared as JSON data, so no object of theirs
has a say in it.
"""

from __future__ import annotations

import math
import sys
from typing import Any

from grader.checks.verdict import CheckFailed, quoted

KINDS: dict[type, str] = {
    bool: "True or False",
    int: "a number",
    float: "a number",
    str: "a text in quotes",
    list: "a list",
    dict: "a dictionary",
}


ASSIGN = "assign {0} = … in the answer cell and run it."
# How to make a plain value of what is none, by its type.
PLAIN = {
    "bytes": "decode it: {0} = {0}.decode()",
    "bytearray": "decode it: {0} = {0}.decode()",
    "set": "make a list of it: {0} = sorted({0})",
    "frozenset": "make a list of it: {0} = sorted({0})",
    "generator": "make a list of it: {0} = list({0})",
    "map": "make a list of it: {0} = list({0})",
    "filter": "make a list of it: {0} = list({0})",
    "range": "make a list of it: {0} = list({0})",
    "ndarray": "make a list of it: {0} = {0}.tolist()",
    "int64": "make a number of it: {0} = int({0})",
    "float64": "make a number of it: {0} = float({0})",
    "Decimal": "make a number of it: {0} = float({0})",
}


class NotPlain:
    """Stands for a value of the student's that is no plain data: of it, only the name of its type
    is known.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind


def given(name: str, value: Any = ...) -> Given:
    """The value of the variable `name` of the cell that calls (or `value`, if passed).

    >>> answer = 8080
    >>> given("answer").must_equal(8080, hint="docker port web")
    """
    if value is ...:
        value = sys._getframe(1).f_globals.get(name, ...)
    return Given(name, value)


class Given:
    """A number, text, truth value, list or dictionary. No message ever shows the value that was
    expected.
    """

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self._value = value

    def __repr__(self) -> str:
        return f"given({self.name!r})"

    @property
    def value(self) -> Any:
        """The value as plain data. Raises `CheckFailed` if it is not set, or is not JSON data."""
        unset = self._value is None or self._value is ...
        if unset or not _is_data(self._value):
            kind = _kind(self._value)
            raise CheckFailed(
                f"`{self.name}` {'has no value yet' if unset else holds(kind)}.",
                "a number, a text in quotes, True or False, or a list of these.",
                PLAIN.get("" if unset else kind, ASSIGN).format(self.name),
            )
        return self._value

    def must_equal(
        self, expected: Any, *, hint: str, asked: str | None = None, ignore_case: bool = False
    ) -> None:
        """It is this value. Texts are compared without the space around them; `asked` says in words
        what was asked.
        """
        self._must_be_kind(expected)
        if not _same(self.value, expected, ignore_case):
            raise self._wrong(asked or f"another value: {KINDS[type(expected)]}.", hint)

    def must_be_one_of(
        self, *accepted: Any, hint: str, asked: str | None = None, ignore_case: bool = False
    ) -> None:
        """It is one of these values."""
        self._must_be_kind(*accepted)
        if not any(_same(self.value, each, ignore_case) for each in accepted):
            raise self._wrong(asked or f"another value: {KINDS[type(accepted[0])]}.", hint)

    def must_be_about(
        self, expected: float, *, within: float, hint: str, asked: str | None = None
    ) -> None:
        """It is a number at most `within` away from this one, in the same unit."""
        self._must_be_kind(expected)
        try:
            distance = abs(float(self.value) - expected)
        except OverflowError:
            distance = math.inf
        if not distance <= within:
            raise self._wrong(asked or "another number.", hint)

    def must_contain(
        self, text: str, *, hint: str, asked: str | None = None, ignore_case: bool = True
    ) -> None:
        """It is a text that contains this text."""
        self._must_be_kind(text)
        if _plain(text, ignore_case) not in _plain(self.value, ignore_case):
            raise self._wrong(asked or "a text that says something else.", hint)

    def _must_be_kind(self, *expected: Any) -> None:
        kinds = list(dict.fromkeys(KINDS[type(each)] for each in expected))
        if KINDS[type(self.value)] not in kinds:
            raise CheckFailed(
                f"`{self.name}` is {shown(self.value)}, which is {KINDS[type(self.value)]}.",
                f"{' or '.join(kinds)}.",
                f"assign {self.name} = … again, as {' or '.join(kinds)}.",
            )

    def _wrong(self, asked: str, hint: str) -> CheckFailed:
        return CheckFailed(f"`{self.name}` is {shown(self.value)}.", asked, hint)


def holds(kind: str) -> str:
    """What is wrong with a value of this type, after its name."""
    if kind in ("int", "float", "str"):
        article = "an" if kind == "int" else "a"
        return f"holds {article} {quoted(kind)} that is too large, or no number"
    inside = " in which not all is plain data, or which is too large"
    return f"holds a Python object of type {quoted(kind)}" + inside * (kind in ("list", "dict"))


def _kind(value: Any) -> str:
    return value.kind if type(value) is NotPlain else type(value).__name__


def shown(value: Any) -> str:
    """The value as the student wrote it, shortened."""
    try:
        return quoted(repr(value))
    except (ValueError, RecursionError):  # numbers of thousands of digits, nested thousands deep
        return "too large to show"


def _is_data(value: Any) -> bool:
    """Whether it is made of plain JSON types alone: exactly these types, no subclass that could
    answer for itself.
    """
    try:
        return _is_plain(value)
    except RecursionError:
        return False


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind is list:
        return all(_is_plain(each) for each in value)
    if kind is dict:
        return all(type(key) is str and _is_plain(each) for key, each in value.items())
    return value is None or kind in (bool, int, float, str)


def _same(found: Any, expected: Any, ignore_case: bool) -> bool:
    if type(found) is str and type(expected) is str:
        return _plain(found, ignore_case) == _plain(expected, ignore_case)
    if type(found) is list and type(expected) is list:
        return len(found) == len(expected) and all(
            _same(one, other, ignore_case) for one, other in zip(found, expected, strict=True)
        )
    if type(found) is dict and type(expected) is dict:
        return found.keys() == expected.keys() and all(
            _same(found[k], expected[k], ignore_case) for k in expected
        )
    if type(found) is bool or type(expected) is bool:
        return found is expected
    return bool(found == expected)


def _plain(text: str, ignore_case: bool) -> str:
    return text.strip().casefold() if ignore_case else text.strip()
