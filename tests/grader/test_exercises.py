"""Every exercise is graded for real: its solution earns all points, its release none, each wrong
answer its own points and message.

``tests/right/<assignment>.toml`` holds right answers that go another way: all points for them, too.
``tests/wrong/<assignment>.toml`` holds the wrong answers. Each takes the place of one answer of the
solution. Wrong answers that touch different checks share one submission, so that a few gradings are
enough and every question is seen not to depend on the others. A run grades the wrong answers that
it takes (tests/suite), and those only.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from grader.course import RELEASE, SOURCE
from grader.exercise.lint import source_text
from grader.exercise.release import differences
from grader.judging.results import Check, Result
from grader.run.classrun import plan
from grader.run.local import ensure_sandbox_image
from grader.sandbox.owners import sweep
from lab.course import ROOT
from lab.machine.host import ensure_engine

from ..evidence import notebooks
from ..exercises import (
    ALL_WRONG,
    EXERCISES,
    LIMITS,
    Exercise,
    Wrong,
    first_lost,
    pattern,
    sanitized,
    submissions,
)
from ..suite.plugin import Charge, chosen

TIMES = range(
    int(os.environ.get("GRADINGS", "1"))
)  # so many students hand in the same; 20 before a release
each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
each_graded_exercise = pytest.mark.parametrize(
    "exercise",
    [pytest.param(one, marks=pytest.mark.proves(one.item), id=one.name) for one in EXERCISES],
)
each_wrong_answer = pytest.mark.parametrize(
    "wrong",
    [pytest.param(one, marks=pytest.mark.proves(one.item), id=str(one)) for one in ALL_WRONG],
)


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
    assert [str(wrong) for wrong in exercise.wrong if not first_lost(wrong, exercise)] == []
    assert any(
        0 < wrong.points[check] < exercise.checks[check]
        for wrong in exercise.wrong
        for check in wrong.points
    )


@each_exercise
def test_release_is_what_the_source_gives(exercise: Exercise) -> None:
    assert differences(ROOT, [exercise.name]) == []


@dataclass(frozen=True)
class Class:
    """What each student of an exercise got; ``wrong-n-…`` handed in the wrong answers of
    ``groups[n]``.
    """

    results: dict[str, Result]
    groups: list[list[Wrong]]

    def group(self, wrong: Wrong) -> int:
        """The number of the submissions that hold this wrong answer."""
        return next(number for number, group in enumerate(self.groups) if wrong in group)


@pytest.fixture(scope="module")
def classes(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest, charge: Charge
) -> Iterator[dict[str, Class]]:
    """The class of each exercise, graded when first asked for, with this run's wrong answers."""
    client = ensure_engine()
    place = ensure_sandbox_image(client)
    taken = chosen(request.session)

    class Graded(dict[str, Class]):
        def __init__(self) -> None:
            super().__init__()
            self.roots: dict[str, Path] = {}

        def __missing__(self, name: str) -> Class:
            root, exercise = tmp_path_factory.mktemp(name), Exercise(name)
            self.roots[name] = root
            groups = submissions([wrong for wrong in exercise.wrong if str(wrong.item) in taken])
            hand_in_all(root, exercise, groups)
            start = time.monotonic()
            done = plan(root, name).grade(client, place, LIMITS, 4, lambda result: None)
            self[name] = Class({result.student: result for result in done}, groups)
            charge_all(charge, exercise, self[name], time.monotonic() - start)
            return self[name]

        def evidence(self, arguments: Mapping[str, Any]) -> dict[str, bytes]:
            """The graded notebooks that a test is about."""
            wrong = arguments.get("wrong")
            name = wrong.assignment if wrong else arguments["exercise"].name
            graded = self.get(name)
            student = f"wrong-{graded.group(wrong)}-*" if wrong and graded else "*"
            return notebooks(self.roots[name], student)

    yield Graded()
    sweep(client)


def charge_all(charge: Charge, exercise: Exercise, graded: Class, seconds: float) -> None:
    """Share the seconds of a class among its submissions, which were graded side by side, and those
    of a submission among its wrong answers.
    """
    each = {student: result.seconds for student, result in graded.results.items()}
    scale = seconds / (sum(each.values()) or 1)
    own = [spent for student, spent in each.items() if not student.startswith("wrong-")]
    charge({exercise.item: sum(own) * scale})
    for number, group in enumerate(graded.groups):
        spent = sum(each[f"wrong-{number}-{repeat}"] for repeat in TIMES)
        charge({wrong.item: spent * scale / len(group) for wrong in group})


def hand_in_all(root: Path, exercise: Exercise, groups: list[list[Wrong]]) -> None:
    """A class: ``released``, ``other-0`` … with other right answers, and for each of `TIMES`
    ``right-0``, and ``wrong-0-0``, ``wrong-1-0``, …
    """
    shutil.copytree(ROOT / SOURCE / exercise.name, root / SOURCE / exercise.name)
    released = json.loads((ROOT / RELEASE / exercise.name / f"{exercise.name}.ipynb").read_text())
    class_ = {f"right-{repeat}": exercise.notebook for repeat in TIMES} | {"released": released}
    for number, answers in enumerate(exercise.right.values()):
        class_[f"other-{number}"] = exercise.with_answers(answers)
    for number, group in enumerate(groups):
        changed = exercise.with_answers({wrong.question: wrong.answer for wrong in group})
        class_ |= {f"wrong-{number}-{repeat}": changed for repeat in TIMES}
    for student, notebook in class_.items():
        folder = root / "submitted" / student / exercise.name
        folder.mkdir(parents=True)
        (folder / f"{exercise.name}.ipynb").write_text(json.dumps(notebook))


@pytest.mark.machine
@pytest.mark.grading
@each_graded_exercise
def test_solution_earns_all_points(exercise: Exercise, classes: dict[str, Class]) -> None:
    for repeat in TIMES:
        result = classes[exercise.name].results[f"right-{repeat}"]
        checks = by_id(exercise, result)
        assert (result.reason, result.notes) == (None, [])
        assert lost(exercise, result) == []
        assert {checks[name].status for name in exercise.by_hand} == {"needs-grading"}


@pytest.mark.machine
@pytest.mark.grading
@each_graded_exercise
def test_right_answers_of_other_kinds_earn_all_points(
    exercise: Exercise, classes: dict[str, Class]
) -> None:
    results = classes[exercise.name].results
    assert {
        name: lost(exercise, results[f"other-{number}"])
        for number, name in enumerate(exercise.right)
        if lost(exercise, results[f"other-{number}"])
    } == {}


@each_exercise
def test_right_answers_name_cells_that_exist(exercise: Exercise) -> None:
    answered = {question for answers in exercise.right.values() for question in answers}
    assert answered <= set(exercise.answers)


def lost(exercise: Exercise, result: Result) -> list[Check]:
    """The checks that are not passed, but for those that a person makes."""
    return [
        one
        for name, one in by_id(exercise, result).items()
        if name not in exercise.by_hand and one.status != "passed"
    ]


@pytest.mark.machine
@pytest.mark.grading
@each_graded_exercise
def test_untouched_release_earns_nothing_and_says_why(
    exercise: Exercise, classes: dict[str, Class]
) -> None:
    result = classes[exercise.name].results["released"]
    assert (result.points, result.reason) == (0, None)
    assert [check for check in result.checks if len(check.message.splitlines()) != 3] == []


@pytest.mark.machine
@pytest.mark.grading
@each_wrong_answer
def test_wrong_answer_earns_its_points_and_its_message(
    wrong: Wrong, classes: dict[str, Class]
) -> None:
    exercise, graded = Exercise(wrong.assignment), classes[wrong.assignment]
    for repeat in TIMES:
        checks = by_id(exercise, graded.results[f"wrong-{graded.group(wrong)}-{repeat}"])
        assert {name: checks[name].points for name in wrong.points} == wrong.points
        said, expected = (
            # a note names the cell that ended early: which one is for the notebook to say
            sanitized(checks[first_lost(wrong, exercise)].message.partition("\nNote: ")[0]).strip(),
            wrong.message.strip(),
        )
        if not re.fullmatch(pattern(expected), said):
            assert said == expected  # so that pytest shows where they differ


@pytest.mark.machine
@pytest.mark.grading
@each_wrong_answer
def test_wrong_answer_costs_nothing_elsewhere(wrong: Wrong, classes: dict[str, Class]) -> None:
    exercise, graded = Exercise(wrong.assignment), classes[wrong.assignment]
    number = graded.group(wrong)
    touched = {check for one in graded.groups[number] for check in one.points} | set(
        exercise.by_hand
    )
    for repeat in TIMES:
        checks = by_id(exercise, graded.results[f"wrong-{number}-{repeat}"])
        assert [
            check
            for name, check in checks.items()
            if name not in touched and check.status != "passed"
        ] == []


def by_id(exercise: Exercise, result: Result) -> dict[str, Check]:
    assert len(result.checks) == len(exercise.checks), result
    return dict(zip(exercise.checks, result.checks, strict=True))
