"""Predictions and quizzes of the lessons: nothing on the screen tells an answer before the outcome,
and no way of choosing without thinking earns more than chance.
"""

import ast
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import lessontexts
from lab.course import ROOT
from lab.lessontexts import LessonTexts, Prediction, source

COURSE = ROOT / "course"
FILES = {path.stem: path for path in sorted((COURSE / lessontexts.FOLDER).glob("*.toml"))}
TEXTS = {stem: lessontexts.read(path) for stem, path in FILES.items()}
LESSONS = {path.stem: path for path in sorted(COURSE.glob("*.ipynb"))}
PREDICTIONS = [
    pytest.param(stem, prediction, id=key)
    for stem, texts in TEXTS.items()
    for key, prediction in texts.predictions.items()
]
# So far from what chance gives, in standard deviations, is no lot any more.
FAR = 2


def sources(stem: str) -> list[str]:
    """A lesson's cells, as one sees or runs them."""
    return [source(cell) for cell in json.loads(LESSONS[stem].read_text())["cells"]]


def calls(text: str, name: str) -> Iterator[ast.Call]:
    """The calls of a function in a cell of Python."""
    if f"{name}(" in text and not text.startswith(("%", "#")):
        plain = re.sub(r"^(\s*)[%!].*$", r"\1pass", text, flags=re.MULTILINE)
        try:
            tree = ast.parse(plain)
        except SyntaxError:  # a cell of text
            return
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name:
                yield node


def where(stem: str, name: str, key: str) -> list[tuple[int, ast.Call]]:
    """The numbers of the cells that call `predict` or `outcome` with this key, and the calls."""
    return [
        (number, call)
        for number, text in enumerate(sources(stem))
        for call in calls(text, name)
        if call.args and ast.literal_eval(call.args[0]) == key
    ]


def words(text: str) -> str:
    """Only its words, so that marks and blanks make no difference."""
    return " " + " ".join(re.findall(r"[^\W_]+", text.lower())) + " "


def test_each_lesson_has_its_texts() -> None:
    assert set(TEXTS) == set(LESSONS)


@pytest.mark.parametrize("stem", LESSONS)
def test_a_lesson_asks_what_its_texts_have(stem: str) -> None:
    number = stem.partition("-")[0]
    asked = [
        [ast.literal_eval(argument) for argument in call.args]
        for text in sources(stem)
        for name in ("predict", "quiz")
        for call in calls(text, name)
    ]
    assert sorted(asked) == sorted([[key] for key in TEXTS[stem].predictions] + [[number]])


@pytest.mark.parametrize(("stem", "prediction"), PREDICTIONS)
def test_a_prediction_is_asked_once_then_answered_once(stem: str, prediction: Prediction) -> None:
    (asked, _), (answered, call) = (
        where(stem, name, prediction.key)[0] for name in ("predict", "outcome")
    )
    assert len(where(stem, "predict", prediction.key)) == 1
    assert len(where(stem, "outcome", prediction.key)) == 1
    assert asked < answered
    looked_for = {keyword.arg for keyword in call.keywords} - {"facts"}
    assert looked_for == set(prediction.options), "outcome() asks for each option by its id"
    assert prediction.answer in prediction.options
    assert len(prediction.options) >= 2
    assert len(set(prediction.options.values())) == len(prediction.options)


@pytest.mark.parametrize(("stem", "prediction"), PREDICTIONS)
def test_nothing_tells_the_answer_before_the_outcome(stem: str, prediction: Prediction) -> None:
    (asked, _), (answered, _) = (
        where(stem, name, prediction.key)[0] for name in ("predict", "outcome")
    )
    cells = sources(stem)
    for text in [prediction.why, *prediction.options.values()]:
        if len(words(text).split()) >= 3:
            told = [n for n in range(asked, answered + 1) if words(text) in words(cells[n])]
            assert not told, f"cell {told} shows {text!r}"
    answer = words(prediction.options[prediction.answer])
    if len(answer.split()) >= 3:
        told = [n for n in range(asked) if answer in words(cells[n])]
        assert not told, f"cell {told} above the question shows the answer"
    for number in range(asked + 1, answered):
        announced = re.search(r"--expect-exit[ =]\d+", cells[number])
        assert not announced, f"cell {number} announces the status: --expect-exit any"


@pytest.mark.parametrize("stem", LESSONS)
def test_cells_of_questions_are_hidden(stem: str) -> None:
    for cell in json.loads(LESSONS[stem].read_text())["cells"]:
        if cell["cell_type"] == "code" and any(
            list(calls(source(cell), name)) for name in ("predict", "outcome", "quiz")
        ):
            assert cell["metadata"].get("jupyter", {}).get("source_hidden"), cell["id"]


@pytest.mark.parametrize(("stem", "prediction"), PREDICTIONS)
def test_what_happened_when_the_outputs_were_stored_is_the_answer(
    stem: str, prediction: Prediction
) -> None:
    ((number, _),) = where(stem, "outcome", prediction.key)
    outputs = json.loads(LESSONS[stem].read_text())["cells"][number]["outputs"]
    shown = "".join("".join(output.get("data", {}).get("text/plain", "")) for output in outputs)
    assert f"What happened: {prediction.options[prediction.answer]}" in shown.splitlines()
    if prediction.why and "{" not in prediction.why:  # it has no facts of that run
        assert f"Why: {prediction.why}" in shown.splitlines()


@pytest.mark.parametrize(("stem", "prediction"), PREDICTIONS)
def test_the_stored_question_is_the_one_that_is_asked(stem: str, prediction: Prediction) -> None:
    ((number, _),) = where(stem, "predict", prediction.key)
    outputs = json.loads(LESSONS[stem].read_text())["cells"][number]["outputs"]
    shown = "".join("".join(output.get("data", {}).get("text/plain", "")) for output in outputs)
    options = [f"  ( ) {text}" for text in prediction.options.values()]
    assert shown.splitlines() == [f"Predict: {prediction.question}", *options]


@pytest.mark.parametrize("stem", LESSONS)
def test_no_stored_output_has_chosen(stem: str) -> None:
    assert "You predicted" not in LESSONS[stem].read_text()


def all_predictions(texts: dict[str, LessonTexts]) -> list[tuple[list[str], int]]:
    """Of each prediction the options as one sees them, and the place of the right one."""
    return [
        (list(each.options.values()), list(each.options).index(each.answer))
        for lesson in texts.values()
        for each in lesson.predictions.values()
    ]


def all_questions(texts: dict[str, LessonTexts]) -> list[tuple[list[str], int]]:
    """The same of the quizzes' questions with one right answer."""
    found = []
    for lesson in texts.values():
        for question in lesson.quiz:
            answers: list[dict[str, Any]] = question["answers"]
            if question["type"] == "multiple_choice":
                right = [answer["correct"] for answer in answers].index(True)
                found.append(([answer["answer"] for answer in answers], right))
    return found


STRATEGIES: dict[str, Callable[[list[str]], int]] = {
    **{f"always place {k + 1}": lambda options, k=k: k for k in range(4)},  # type: ignore[misc]
    "always the last": lambda options: len(options) - 1,
    "always the longest": lambda options: options.index(max(options, key=len)),
}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("questions", [all_predictions, all_questions])
def test_choosing_without_thinking_earns_what_chance_gives(
    strategy: str, questions: Callable[[dict[str, LessonTexts]], list[tuple[list[str], int]]]
) -> None:
    choose = STRATEGIES[strategy]
    asked = [
        (options, right) for options, right in questions(TEXTS) if choose(options) < len(options)
    ]
    chances = [1 / len(options) for options, _ in asked]
    earned = sum(choose(options) == right for options, right in asked)
    deviation = math.sqrt(sum(chance * (1 - chance) for chance in chances))
    assert earned <= sum(chances) + FAR * deviation


def test_the_lot_is_the_same_each_time_and_depends_on_no_order(tmp_path: Path) -> None:
    orders = []
    for options in ("abc", "cba", "bca"):
        file = tmp_path / "42-x.toml"
        file.write_text(
            '[predictions.p]\nquestion = "?"\nanswer = "a"\n'
            + "".join(f'options.{name} = "{name}"\n' for name in options)
        )
        orders.append(list(lessontexts.read(file).predictions["42-p"].options))
    assert orders[0] == orders[1] == orders[2]
