"""Small ways to break a text: a command of an answer, a line of a test cell, a condition of a
check.

Each gives a `Mutant`: the whole text with one change in it. Which verdict it must lose is for the
tests beside this file to say.
"""

import ast
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

# broken versions of a cell look at a state one behind the other, so time is not the same for them
PATIENCE = ("for_seconds", "within_seconds")
WORDING = ("hint", "asked")  # what a check says is held by the messages in tests/wrong
COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
}
WORD = re.compile(r"""(?:'[^']*'|"[^"]*"|[^\s'"])+""")
NUMBER = re.compile(r"\d+(?!.*\d)")  # the last number of a word: a port, the last part of a version


@dataclass(frozen=True)
class Mutant:
    """A text with one change in it. ``coarse`` ones are the few that a short run tries."""

    where: str  # a file, or "exercise: cell"
    original: str
    source: str
    coarse: bool

    @property
    def cell(self) -> str:
        """The id of the cell that it breaks."""
        return self.where.rpartition(": ")[2]

    @property
    def diff(self) -> str:
        """The lines that it takes away and puts in, without the lines around them."""
        lines = difflib.ndiff(self.original.splitlines(), self.source.splitlines())
        return "\n".join(f"{line[0]}{line[1:].strip()}" for line in lines if line[0] in "-+")

    @property
    def line(self) -> int:
        """The first line (from 1) of the original text that it changes."""
        pairs = zip(self.original.splitlines(), self.source.splitlines(), strict=False)
        same = next((number for number, (one, other) in enumerate(pairs) if one != other), None)
        return 1 + (
            same if same is not None else min(self.original.count("\n"), self.source.count("\n"))
        )

    def __str__(self) -> str:
        return f"{self.where}, line {self.line}:\n" + "\n".join(
            f"    {line}" for line in self.diff.splitlines()
        )


def of_answer(where: str, text: str) -> list[Mutant]:
    """Ways in which an answer goes wrong: a line left out or too early, a word left out, a name or
    a number that is another one.
    """
    lines = text.splitlines()
    found = []
    for number, line in enumerate(lines):
        if not line.strip() or line.startswith(("%%", "#")):
            continue
        found.append((True, [*lines[:number], *lines[number + 1 :]]))
        if number + 1 < len(lines):
            found.append((False, [*lines[:number], lines[number + 1], line, *lines[number + 2 :]]))
        found += [
            (False, [*lines[:number], changed, *lines[number + 1 :]])
            for changed in _lines_like(line)
        ]
    return _distinct(
        where, text, [(coarse, "\n".join(changed) + "\n") for coarse, changed in found]
    )


def _lines_like(line: str) -> Iterator[str]:
    words = list(WORD.finditer(line))
    for number, word in enumerate(words):
        after = words[number + 1 :]
        yield line[: word.start()] + line[word.end() :].lstrip()
        if word[0].startswith("-") and after:  # with what is said for it
            yield line[: word.start()] + line[after[0].end() :].lstrip()
        if counted := NUMBER.search(word[0]):
            other = word[0][: counted.start()] + str(int(counted[0]) + 1) + word[0][counted.end() :]
            yield line[: word.start()] + other + line[word.end() :]
        elif number and word[0][-1].isalnum() and not word[0].startswith("-"):
            yield line[: word.end()] + "x" + line[word.end() :]


def of_code(where: str, source: str) -> list[Mutant]:
    """Ways in which Python that judges goes wrong: it does not look, looks at less, or for the
    opposite.

    A short run takes those that never complain: a `must_…` or a `raise` that is not there.
    """
    lines = source.encode().splitlines(keepends=True)
    found = []
    for node, replacement, coarse in _changes(ast.parse(source)):
        start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
        end = sum(map(len, lines[: (node.end_lineno or 0) - 1])) + (node.end_col_offset or 0)
        text = source.encode()
        found.append((coarse, (text[:start] + replacement.encode() + text[end:]).decode()))
    return _distinct(where, source, found)


Change = tuple[ast.stmt | ast.expr | ast.keyword, str, bool]


def _changes(tree: ast.AST) -> Iterator[Change]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and _is_must(node.value)):
            yield node, "pass", True
        if isinstance(node, ast.If | ast.IfExp) and not isinstance(node.test, ast.Compare):
            yield node.test, f"not ({ast.unparse(node.test)})", False
        if isinstance(node, ast.BoolOp):
            for left_out in node.values:
                rest = [value for value in node.values if value is not left_out]
                joined = (" and " if isinstance(node.op, ast.And) else " or ").join(
                    f"({ast.unparse(value)})" for value in rest
                )
                yield node, f"({joined})", False
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            sides = ast.unparse(node.left), ast.unparse(node.comparators[0])
            yield node, f"({sides[0]} {COMPARISONS[type(node.ops[0])]} {sides[1]})", False
        if _is_must(node):
            yield from _calls_that_ask_less(node)


def _is_must(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    return isinstance(name, str) and name.startswith("must_")


def _calls_that_ask_less(call: ast.AST) -> Iterator[Change]:
    assert isinstance(call, ast.Call)
    for keyword in call.keywords:
        if keyword.arg not in (*PATIENCE, *WORDING):
            rest = ast.Call(
                call.func, call.args, [other for other in call.keywords if other is not keyword]
            )
            yield call, ast.unparse(rest), False
    for argument in call.args:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, int):
            yield argument, str(argument.value + 1), False
        elif isinstance(argument, ast.Constant) and argument.value is None:
            yield argument, "0", False


def _distinct(where: str, original: str, found: list[tuple[bool, str]]) -> list[Mutant]:
    """Each text once, and none that is the original."""
    texts: dict[str, bool] = {}
    for coarse, text in found:
        if text.strip() != original.strip():
            texts[text] = texts.get(text, False) or coarse
    return [Mutant(where, original, text, coarse) for text, coarse in texts.items()]
