"""The exercises as tests see them: source notebooks, other right answers to them, wrong answers,
and what each wrong answer must earn and say.
"""

import configparser
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from grader.course import SOURCE
from grader.exercise.lint import source_text
from grader.sandbox.interface import SandboxLimits
from lab.course import ROOT

from .suite.items import Item, Turn

WRONG = ROOT / "tests" / "wrong"
RIGHT = ROOT / "tests" / "right"
SANITIZE = ROOT / "tests" / "nbval-sanitize.cfg"
ASSIGNMENTS = sorted(path.parent.name for path in (ROOT / SOURCE).glob("*/*.ipynb"))
LIMITS = SandboxLimits(cell_seconds=25, submission_seconds=240, check_seconds=60)
ANYTHING = "<ANY>"

Cell = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Wrong:
    """A wrong answer; ``points`` are those of every check it touches, ``message`` is what the first
    of these says.
    """

    assignment: str
    question: str
    name: str
    answer: str
    points: Mapping[str, float]
    message: str

    def __str__(self) -> str:
        return f"{self.assignment}: {self.question}: {self.name}"

    @property
    def item(self) -> Item:
        """What is proved when it is graded."""
        turn: Turn = "always" if str(self) in _commonest(self.assignment) else "by turns"
        return Item("wrong answer", str(self), turn)


@dataclass(frozen=True)
class Exercise:
    """One source notebook."""

    name: str

    @property
    def item(self) -> Item:
        """What is proved when its solution and its release are graded."""
        return Item("exercise", self.name)

    @property
    def notebook(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(
            (ROOT / SOURCE / self.name / f"{self.name}.ipynb").read_text()
        )
        return content

    @property
    def answers(self) -> list[str]:
        """The ids of the code cells that a student fills."""
        return [
            cell_id(cell)
            for cell in self.notebook["cells"]
            if _meta(cell)["solution"] and cell["cell_type"] == "code"
        ]

    @property
    def checks(self) -> dict[str, float]:
        """The ids of all graded cells in order, and their points."""
        return {
            cell_id(cell): _meta(cell)["points"]
            for cell in self.notebook["cells"]
            if _meta(cell)["grade"]
        }

    @property
    def by_hand(self) -> list[str]:
        return [
            cell_id(cell)
            for cell in self.notebook["cells"]
            if _meta(cell)["grade"] and _meta(cell)["solution"]
        ]

    @property
    def sections(self) -> list[tuple[list[str], list[str]]]:
        """The answer cells and the test cells below each heading, where there are any."""
        groups: list[tuple[list[str], list[str]]] = []
        for cell in self.notebook["cells"]:
            if cell["cell_type"] == "markdown" and source_text(cell).startswith("## "):
                groups.append(([], []))
            elif cell_id(cell) in self.answers:
                groups[-1][0].append(cell_id(cell))
            elif cell_id(cell) in self.checks:
                groups[-1][1].append(cell_id(cell))
        return [group for group in groups if group[0]]

    @property
    def questions(self) -> list[list[str]]:
        """The answer cells below each heading."""
        return [answers for answers, _ in self.sections]

    @property
    def wrong(self) -> list[Wrong]:
        path = WRONG / f"{self.name}.toml"
        found = tomllib.loads(path.read_text())["wrong"] if path.exists() else []
        return [Wrong(self.name, **one) for one in found]

    @property
    def right(self) -> dict[str, dict[str, str]]:
        """Right answers that go another way than the solution, by their name."""
        path = RIGHT / f"{self.name}.toml"
        found = tomllib.loads(path.read_text())["right"] if path.exists() else []
        return {one["name"]: one["answers"] for one in found}

    def with_answers(self, answers: Mapping[str, str]) -> dict[str, Any]:
        """The solution with some of its answers replaced."""
        notebook = self.notebook
        for cell in notebook["cells"]:
            if cell_id(cell) in answers:
                cell["source"] = answers[cell_id(cell)]
        return notebook


EXERCISES = [Exercise(name) for name in ASSIGNMENTS]
ALL_WRONG = [wrong for exercise in EXERCISES for wrong in exercise.wrong]


def submissions(wrongs: Sequence[Wrong]) -> list[list[Wrong]]:
    """Wrong answers put together so that no two in one submission touch the same check or replace
    the same answer.
    """
    return together(wrongs, lambda wrong: {wrong.question, *wrong.points})


def together(items: Iterable[T], touched: Callable[[T], set[str]]) -> list[list[T]]:
    """The items in as few groups as it easily gives, so that no two of a group touch the same."""
    groups: list[tuple[list[T], set[str]]] = []
    for item in items:
        wanted = touched(item)
        group, taken = next(
            ((group, taken) for group, taken in groups if not taken & wanted), ([], set())
        )
        if not group:
            groups.append((group, taken))
        group.append(item)
        taken |= wanted
    return [group for group, _ in groups]


def sanitized(text: str) -> str:
    """The text without what differs from run to run, as nbval compares the lessons."""
    for rule, replacement in _rules():
        text = rule.sub(replacement, text)
    return text


def pattern(message: str) -> str:
    """A regular expression for the message; ``<ANY>`` in it stands for any text of one line."""
    return ".*".join(map(re.escape, message.split(ANYTHING)))


@cache
def _rules() -> list[tuple[re.Pattern[str], str]]:
    config = configparser.RawConfigParser()
    config.read(SANITIZE)
    return [
        (re.compile(config[name]["regex"]), config[name]["replace"]) for name in config.sections()
    ]


@cache
def _commonest(assignment: str) -> set[str]:
    """The wrong answers that each run grades: of each question the first, because authors begin
    with the mistake that is made most.
    """
    exercise = Exercise(assignment)
    wrong = exercise.wrong
    of_questions = (
        [one for one in wrong if one.question in question] for question in exercise.questions
    )
    return {str(found[0]) for found in of_questions if found}


def first_lost(wrong: Wrong, exercise: Exercise) -> str:
    """The first check that the wrong answer does not fully pass."""
    return next(
        (check for check, points in wrong.points.items() if points < exercise.checks[check]), ""
    )


def _meta(cell: Cell) -> dict[str, Any]:
    meta: dict[str, Any] = cell["metadata"]["nbgrader"]
    return meta


def cell_id(cell: Cell) -> str:
    return str(_meta(cell)["grade_id"])
