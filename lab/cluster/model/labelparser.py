"""Label selectors as after ``-l``: ``a=b,c!=d,e in (f,g),!h``, read as a real API server reads
them, its complaints included.
"""

import re
from collections.abc import Sequence

from lab.cluster.model.errors import APIError, bad_request, go_value
from lab.cluster.model.names import is_label_value, is_qualified_name
from lab.cluster.model.selectors import Requirement

WORD = re.compile(r"\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+)")
OPERATORS = {
    "=": "In",
    "==": "In",
    "in": "In",
    "!=": "NotIn",
    "notin": "NotIn",
    ">": "Gt",
    "<": "Lt",
}
LISTED = "in, notin, =, ==, !=, gt, lt"


def parse_labels(text: str) -> list[Requirement]:
    """APIError (400) for what is no selector."""
    parser = _Parser(WORD.findall(text))
    requirements: list[Requirement] = []
    while (word := parser.peek()) != "":
        if word != "!" and not parser.is_name(word):
            raise bad_request(f"found '{word}', expected: !, identifier, or 'end of string'")
        requirements.append(parser.requirement())
        after = parser.take()
        if after not in ("", ","):
            raise bad_request(f"found '{after}', expected: ',' or 'end of string'")
        if after == "," and parser.peek() != "!" and not parser.is_name(parser.peek()):
            raise bad_request(f"found '{parser.peek()}', expected: identifier after ','")
    return requirements


def _wrong(why: str) -> APIError:
    return bad_request(f"unable to parse requirement: {why}")


class _Parser:
    def __init__(self, words: Sequence[str]) -> None:
        self.words, self.at = words, 0

    def peek(self) -> str:
        """The next word; empty at the end."""
        return self.words[self.at] if self.at < len(self.words) else ""

    def take(self) -> str:
        word = self.peek()
        self.at += 1
        return word

    @staticmethod
    def is_name(word: str) -> bool:
        return bool(word) and word[0] not in "=!(),<>"

    def requirement(self) -> Requirement:
        absent = self.peek() == "!" and bool(self.take())
        key = self.take()
        if not self.is_name(key):
            raise _wrong(f"found '{key}', expected: identifier")
        self._check("<nil>", key, is_qualified_name(key))
        if absent:
            return Requirement(key, "DoesNotExist")
        if self.peek() in ("", ","):
            return Requirement(key, "Exists")
        operator = self.take()
        if operator not in OPERATORS:
            raise _wrong(f"found '{operator}', expected: {LISTED}")
        values = sorted(self._values() if operator in ("in", "notin") else {self._value()})
        for index, value in enumerate(values):
            if operator in "<>" and not value.lstrip("-").isdigit():
                why = "for 'Gt', 'Lt' operators, the value must be an integer"
                self._check(f"values[{index}]", value, why)
            self._check(f"values[{index}][{key}]", value, is_label_value(value))
        return Requirement(key, OPERATORS[operator], tuple(values))

    def _check(self, path: str, value: str, why: str | None) -> None:
        if why:
            raise _wrong(f"{path}: Invalid value: {go_value(value)}: {why}")

    def _value(self) -> str:
        if self.peek() in ("", ","):
            return ""
        word = self.take()
        if not self.is_name(word):
            raise _wrong(f"found '{word}', expected: identifier")
        return word

    def _values(self) -> set[str]:
        opening = self.take()
        if opening != "(":
            raise _wrong(f"found '{opening}' expected: '('")
        first = self.peek()
        if first not in (",", ")") and not self.is_name(first):
            raise _wrong(f"found '{first}', expected: ',', ')' or identifier")
        values: set[str] = set()
        before = ","
        while (word := self.take()) != ")":
            if word != "," and before != ",":
                raise _wrong(f"found '{word}', expected: ',' or ')'")
            if word != "," and not self.is_name(word):
                raise _wrong(f"found '{word}', expected: ',', or identifier")
            values |= {word} if word != "," else {""} if before == "," else set()
            before = word
        return values | ({""} if before == "," else set())
