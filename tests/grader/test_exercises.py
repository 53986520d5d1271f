"""Every exercise is graded for real: its solution earns all points, its release none, each wrong
answer its own points and message.

``tests/wrong/<assignment>.toml`` holds the wrong answers. Each takes the place of one answer of the
solution. Wrong answers that touch different checks share one submission, so that a few gradings are
enough and every question is seen not to depend on the others.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from grader.commands.grade import sandbox_place
from grader.exercise.lint import source_text
from grader.exercise.release import RELEASE, SOURCE, differences
from grader.judging.results import Check, Result
from grader.run.classrun import plan
from grader.sandbox.docker import sweep
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

TIMES = range(
    int(os.environ.get("GRADINGS", "1"))
)  # so many students hand in the same; 20 before a release
each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)


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


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Result]]]:
    """What each submission got, by exercise and student; graded when first asked for."""
    client = ensure_engine()
    place = sandbox_place(client)

    class Graded(dict[str, dict[str, Result]]):
        def __init__(self) -> None:
            super().__init__()
            self.roots: dict[str, Path] = {}

        def __missing__(self, name: str) -> dict[str, Result]:
            root = self.roots[name] = tmp_path_factory.mktemp(name)
            hand_in_all(root, Exercise(name))
            done = plan(root, name).grade(client, place, LIMITS, 4, lambda result: None)
            self[name] = {result.student: result for result in done}
            return self[name]

        def evidence(self, arguments: Mapping[str, Any]) -> dict[str, bytes]:
            """The graded notebooks that a test is about."""
            wrong = arguments.get("wrong")
            name = wrong.assignment if wrong else arguments["exercise"].name
            student = f"wrong-{number_of(wrong)}-*" if wrong else "*"
            return notebooks(self.roots[name], student)

    yield Graded()
    sweep(client)


def hand_in_all(root: Path, exercise: Exercise) -> None:
    """A class: ``released``, and for each of `TIMES` ``right-0``, and ``wrong-0-0``, ``wrong-1-0``,
    …
    """
    shutil.copytree(ROOT / SOURCE / exercise.name, root / SOURCE / exercise.name)
    released = json.loads((ROOT / RELEASE / exercise.name / f"{exercise.name}.ipynb").read_text())
    class_ = {f"right-{time}": exercise.notebook for time in TIMES} | {"released": released}
    for number, group in enumerate(submissions(exercise.wrong)):
        changed = exercise.with_answers({wrong.question: wrong.answer for wrong in group})
        class_ |= {f"wrong-{number}-{time}": changed for time in TIMES}
    for student, notebook in class_.items():
        folder = root / "submitted" / student / exercise.name
        folder.mkdir(parents=True)
        (folder / f"{exercise.name}.ipynb").write_text(json.dumps(notebook))


@pytest.mark.machine
@pytest.mark.grading
@each_exercise
def test_solution_earns_all_points(
    exercise: Exercise, results: dict[str, dict[str, Result]]
) -> None:
    for time in TIMES:
        result = results[exercise.name][f"right-{time}"]
        checks = by_id(exercise, result)
        assert (result.reason, result.notes) == (None, [])
        assert [
            one
            for name, one in checks.items()
            if name not in exercise.by_hand and one.status != "passed"
        ] == []
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
def test_wrong_answer_earns_its_points_and_its_message(
    wrong: Wrong, results: dict[str, dict[str, Result]]
) -> None:
    exercise = Exercise(wrong.assignment)
    for time in TIMES:
        checks = by_id(exercise, results[wrong.assignment][f"wrong-{number_of(wrong)}-{time}"])
        assert {name: checks[name].points for name in wrong.points} == wrong.points
        said, expected = (
            sanitized(checks[first_lost(wrong, exercise)].message).strip(),
            wrong.message.strip(),
        )
        if not re.fullmatch(pattern(expected), said):
            assert said == expected  # so that pytest shows where they differ


@pytest.mark.machine
@pytest.mark.grading
@each_exercise
def test_wrong_answer_costs_nothing_elsewhere(
    exercise: Exercise, results: dict[str, dict[str, Result]]
) -> None:
    for number, group in enumerate(submissions(exercise.wrong)):
        touched = {check for wrong in group for check in wrong.points} | set(exercise.by_hand)
        for time in TIMES:
            checks = by_id(exercise, results[exercise.name][f"wrong-{number}-{time}"])
            assert [
                check
                for name, check in checks.items()
                if name not in touched and check.status != "passed"
            ] == []


def number_of(wrong: Wrong) -> int:
    """Of the submission that holds a wrong answer."""
    return next(
        n for n, group in enumerate(submissions(Exercise(wrong.assignment).wrong)) if wrong in group
    )


def by_id(exercise: Exercise, result: Result) -> dict[str, Check]:
    assert len(result.checks) == len(exercise.checks), result
    return dict(zip(exercise.checks, result.checks, strict=True))
