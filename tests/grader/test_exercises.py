"""Every exercise is graded for real: its solution earns all points, its release none, each wrong answer its own points and message.

``tests/wrong/<assignment>.toml`` holds the wrong answers. Each takes the place of one answer of the solution. Wrong answers that touch
different checks share one submission, so that a few gradings are enough and every question is seen not to depend on the others.
"""

import configparser
import json
import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from grader.classrun import plan
from grader.cli import sandbox_place
from grader.release import RELEASE, SOURCE, differences
from grader.results import Check, Result
from grader.sandbox import Limits, sweep
from grader.source import source_text
from lab.course import ROOT
from lab.host import ensure_engine

WRONG = ROOT / "tests" / "wrong"
SANITIZE = ROOT / "tests" / "nbval-sanitize.cfg"
ASSIGNMENTS = sorted(path.parent.name for path in (ROOT / SOURCE).glob("*/*.ipynb"))
LIMITS = Limits(cell_seconds=25, submission_seconds=240, check_seconds=60)
ANYTHING = "<ANY>"

Cell = dict[str, Any]


@dataclass(frozen=True)
class Wrong:
    """A wrong answer; ``points`` are those of every check it touches, ``message`` is what the first of these says."""

    assignment: str
    question: str
    name: str
    answer: str
    points: Mapping[str, float]
    message: str

    def __str__(self) -> str:
        return f"{self.assignment}: {self.question}: {self.name}"


@dataclass(frozen=True)
class Exercise:
    """One source notebook."""

    name: str

    @property
    def notebook(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((ROOT / SOURCE / self.name / f"{self.name}.ipynb").read_text())
        return content

    @property
    def answers(self) -> list[str]:
        """The ids of the code cells that a student fills."""
        return [_id(cell) for cell in self.notebook["cells"] if _meta(cell)["solution"] and cell["cell_type"] == "code"]

    @property
    def checks(self) -> dict[str, float]:
        """The ids of all graded cells in order, and their points."""
        return {_id(cell): _meta(cell)["points"] for cell in self.notebook["cells"] if _meta(cell)["grade"]}

    @property
    def by_hand(self) -> list[str]:
        return [_id(cell) for cell in self.notebook["cells"] if _meta(cell)["grade"] and _meta(cell)["solution"]]

    @property
    def questions(self) -> list[list[str]]:
        """The answer cells below each heading."""
        groups: list[list[str]] = []
        for cell in self.notebook["cells"]:
            if cell["cell_type"] == "markdown" and source_text(cell).startswith("## "):
                groups.append([])
            elif _id(cell) in self.answers:
                groups[-1].append(_id(cell))
        return [group for group in groups if group]

    @property
    def wrong(self) -> list[Wrong]:
        path = WRONG / f"{self.name}.toml"
        found = tomllib.loads(path.read_text())["wrong"] if path.exists() else []
        return [Wrong(self.name, **one) for one in found]

    def with_answers(self, answers: Mapping[str, str]) -> dict[str, Any]:
        """The solution with some of its answers replaced."""
        notebook = self.notebook
        for cell in notebook["cells"]:
            if _id(cell) in answers:
                cell["source"] = answers[_id(cell)]
        return notebook


EXERCISES = [Exercise(name) for name in ASSIGNMENTS]
ALL_WRONG = [wrong for exercise in EXERCISES for wrong in exercise.wrong]
each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)


def submissions(wrongs: Sequence[Wrong]) -> list[list[Wrong]]:
    """Wrong answers put together so that no two in one submission touch the same check or replace the same answer."""
    together: list[list[Wrong]] = []
    for wrong in wrongs:
        for group in together:
            if all(one.question != wrong.question and not set(one.points) & set(wrong.points) for one in group):
                group.append(wrong)
                break
        else:
            together.append([wrong])
    return together


@each_exercise
def test_points_and_kinds_of_questions_are_balanced(exercise: Exercise) -> None:
    assert 8 <= sum(exercise.checks.values()) <= 20
    assert exercise.by_hand
    assert any("BEGIN HIDDEN TESTS" in source_text(cell) for cell in exercise.notebook["cells"])


@each_exercise
def test_every_question_has_four_wrong_answers(exercise: Exercise) -> None:
    counts = {
        " ".join(question): sum(wrong.question in question for wrong in exercise.wrong)
        for question in exercise.questions
    }
    assert {question: count for question, count in counts.items() if count < 4} == {}


@each_exercise
def test_wrong_answers_name_cells_that_exist_and_some_earn_a_part(exercise: Exercise) -> None:
    assert {wrong.question for wrong in exercise.wrong} <= set(exercise.answers)
    assert {check for wrong in exercise.wrong for check in wrong.points} <= set(exercise.checks)
    assert [str(wrong) for wrong in exercise.wrong if not _first_lost(wrong, exercise)] == []
    assert any(0 < wrong.points[check] < exercise.checks[check] for wrong in exercise.wrong for check in wrong.points)


@each_exercise
def test_release_is_what_the_source_gives(exercise: Exercise) -> None:
    assert differences(ROOT, [exercise.name]) == []


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Result]]]:
    """What each submission got, by exercise and student; graded when first asked for."""
    client = ensure_engine()
    place = sandbox_place(client)

    class Graded(dict[str, dict[str, Result]]):
        def __missing__(self, name: str) -> dict[str, Result]:
            root = tmp_path_factory.mktemp(name)
            hand_in_all(root, Exercise(name))
            done = plan(root, name).grade(client, place, LIMITS, 2, lambda result: None)
            self[name] = {result.student: result for result in done}
            return self[name]

    yield Graded()
    sweep(client)


def hand_in_all(root: Path, exercise: Exercise) -> None:
    """A class: ``solution``, ``released``, and ``wrong-0``, ``wrong-1``, …"""
    shutil.copytree(ROOT / SOURCE / exercise.name, root / SOURCE / exercise.name)
    released = json.loads((ROOT / RELEASE / exercise.name / f"{exercise.name}.ipynb").read_text())
    class_ = {"solution": exercise.notebook, "released": released}
    for number, group in enumerate(submissions(exercise.wrong)):
        class_[f"wrong-{number}"] = exercise.with_answers({wrong.question: wrong.answer for wrong in group})
    for student, notebook in class_.items():
        folder = root / "submitted" / student / exercise.name
        folder.mkdir(parents=True)
        (folder / f"{exercise.name}.ipynb").write_text(json.dumps(notebook))


@pytest.mark.machine
@pytest.mark.grading
@each_exercise
def test_solution_earns_all_points(exercise: Exercise, results: dict[str, dict[str, Result]]) -> None:
    result = results[exercise.name]["solution"]
    checks = by_id(exercise, result)
    assert (result.reason, result.notes) == (None, [])
    assert [check for name, check in checks.items() if name not in exercise.by_hand and check.status != "passed"] == []
    assert {checks[name].status for name in exercise.by_hand} == {"needs-grading"}


@pytest.mark.machine
@pytest.mark.grading
@each_exercise
def test_untouched_release_earns_nothing_and_says_why(
    exercise: Exercise, results: dict[str, dict[str, Result]]
) -> None:
    result = results[exercise.name]["released"]
    assert (result.points, result.reason) == (0, None)
    assert [check for check in result.checks if len(check.message.splitlines()) != 3] == []


@pytest.mark.machine
@pytest.mark.grading
@pytest.mark.parametrize("wrong", ALL_WRONG, ids=str)
def test_wrong_answer_earns_its_points_and_its_message(wrong: Wrong, results: dict[str, dict[str, Result]]) -> None:
    exercise = Exercise(wrong.assignment)
    number = next(n for n, group in enumerate(submissions(exercise.wrong)) if wrong in group)
    checks = by_id(exercise, results[wrong.assignment][f"wrong-{number}"])
    assert {name: checks[name].points for name in wrong.points} == wrong.points
    said, expected = sanitized(checks[_first_lost(wrong, exercise)].message).strip(), wrong.message.strip()
    if not re.fullmatch(pattern(expected), said):
        assert said == expected  # so that pytest shows where they differ


@pytest.mark.machine
@pytest.mark.grading
@each_exercise
def test_wrong_answer_costs_nothing_elsewhere(exercise: Exercise, results: dict[str, dict[str, Result]]) -> None:
    for number, group in enumerate(submissions(exercise.wrong)):
        touched = {check for wrong in group for check in wrong.points} | set(exercise.by_hand)
        checks = by_id(exercise, results[exercise.name][f"wrong-{number}"])
        assert [check for name, check in checks.items() if name not in touched and check.status != "passed"] == []


def by_id(exercise: Exercise, result: Result) -> dict[str, Check]:
    assert len(result.checks) == len(exercise.checks), result
    return dict(zip(exercise.checks, result.checks, strict=True))


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
    return [(re.compile(config[name]["regex"]), config[name]["replace"]) for name in config.sections()]


def _first_lost(wrong: Wrong, exercise: Exercise) -> str:
    """The first check that the wrong answer does not fully pass."""
    return next((check for check, points in wrong.points.items() if points < exercise.checks[check]), "")


def _meta(cell: Cell) -> dict[str, Any]:
    meta: dict[str, Any] = cell["metadata"]["nbgrader"]
    return meta


def _id(cell: Cell) -> str:
    return str(_meta(cell)["grade_id"])
