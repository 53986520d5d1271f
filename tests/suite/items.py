"""What the suite proves, item by item: how an item is named, and which files are its own.

A test says with ``@pytest.mark.proves(item)`` what it proves; one that says nothing belongs to the
item of its file.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from .checks import CHECKS, modules_of
from .history import Tree

Turn = Literal["always", "by turns", "all only"]


@dataclass(frozen=True, order=True)
class Item:
    """One thing that is proved; ``turn``: in each run, in one of four, or only with ``--all``."""

    kind: str
    name: str
    turn: Turn = "always"

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


def own_files(item: str, tree: Tree) -> list[str]:
    """The files, as they are in this tree, whose change alone makes the item due."""
    kind, _, name = item.partition(": ")
    if kind not in KINDS:
        raise KeyError(f"{item!r} is of no known kind: {', '.join(KINDS)} (tests/suite/items.py)")
    return sorted({path for path in KINDS[kind](tree, name) if path in tree.files})


def digest(item: str, tree: Tree) -> str | None:
    """A hash of the item's own files, names and contents; None where it has none."""
    lines = "".join(f"{path} {tree.files[path]}\n" for path in own_files(item, tree))
    return hashlib.sha256(lines.encode()).hexdigest()[:16] if lines else None


def _file(tree: Tree, name: str) -> Iterable[str]:
    return [name]


@cache
def _exercise(tree: Tree, name: str) -> Iterable[str]:
    source = f"solutions/{name}"
    return (
        *tree.below(source),
        *tree.below(f"assignments/{name}"),
        f"tests/right/{name}.toml",
        f"tests/wrong/{name}.toml",
        *_checks(tree, f"{source}/{name}.ipynb"),
    )


def _wrong_answer(tree: Tree, name: str) -> Iterable[str]:
    return _exercise(tree, name.partition(": ")[0])


def _slow_machine(tree: Tree, name: str) -> Iterable[str]:
    return (*_exercise(tree, name.partition(": ")[0]), "tests/grader/run/test_slow_machine.py")


def _validate(tree: Tree, name: str) -> Iterable[str]:
    return ["tests/grader/judging/test_validate.py", *tree.below("grader/judging")]


def _attack(tree: Tree, name: str) -> Iterable[str]:
    return [f"tests/attacks/{name.partition(': ')[0]}.py"]


def _control(tree: Tree, name: str) -> Iterable[str]:
    return [*_attack(tree, name), "tests/attacks/controls.py", "tests/attacks/without.py"]


def _lesson(tree: Tree, name: str) -> Iterable[str]:
    notebook = f"course/{name}.ipynb"
    yield from (notebook, f"course/lesson-texts/{name}.toml")
    for app in set(re.findall(r"apps/[\w-]+(?:\.[\w-]+)*", tree.read(notebook))):
        yield from (f"course/{app}", *tree.below(f"course/{app}"))


def _mutation(tree: Tree, name: str) -> Iterable[str]:
    yield from tree.below("tests/mutation")
    if name == CHECKS:
        yield from (*tree.below(CHECKS), *tree.below(f"tests/{CHECKS}"))
    else:
        yield from _exercise(tree, name)


KINDS: dict[str, Callable[[Tree, str], Iterable[str]]] = {
    "file": _file,  # all tests of a file that name no other item
    "exercise": _exercise,  # its solution and its release, graded
    "wrong answer": _wrong_answer,  # exercise: question: name
    "slow machine": _slow_machine,  # exercise: how it is slow; its solution, graded
    "validate": _validate,  # what a notebook did, and what Validate and grading say
    "attack": _attack,  # module of tests/attacks: name
    "control": _control,  # the same attack with a line of defence missing
    "lesson": _lesson,  # run once
    "second run": _lesson,  # of a lesson, where the first has left its traces
    "sections": _lesson,  # the lesson entered at each of them
    "task": _lesson,  # the cells that readers write, with right and wrong answers
    "busy machine": _lesson,  # a lesson beside as many busy processes as there are processors
    "mutation": _mutation,  # an exercise, or the checks
}


def _checks(tree: Tree, notebook: str) -> Iterable[str]:
    """The modules of the nouns that the notebook's cells import from grader."""
    cells = json.loads(tree.read(notebook) or '{"cells": []}')["cells"]
    source = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    lists = re.findall(r"^\s*from grader import (.+)$", source, re.MULTILINE)
    return modules_of({name.strip() for names in lists for name in names.split(",")}, tree)
