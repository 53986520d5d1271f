"""Predictions and self-checks."""

import random

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import RichOutput, capture_output

from lab.notebook import outcome, predict, prediction, quiz
from lab.notebook.errors import LessonError

QUESTIONS = [
    {
        "question": "Which one runs?",
        "type": "multiple_choice",
        "answers": [
            {"answer": "an image", "correct": False, "feedback": "An image is a snapshot."},
            {"answer": "a container", "correct": True, "feedback": "Yes."},
        ],
    }
]


@pytest.fixture(autouse=True)
def shell() -> InteractiveShell:
    """What is displayed goes to a shell; without one it would be printed as text."""
    return InteractiveShell.instance()


def shown(outputs: list[RichOutput]) -> str:
    return "\n".join(str(output.data["text/plain"]) for output in outputs)


def test_the_prediction_stands_beside_the_outcome() -> None:
    with capture_output() as captured:
        predict("k1", "Which?", ["b first", "a second"])
        prediction._choices["k1"].value = "a second"
        outcome("k1", "b first", why="<because>")
    question, answer = captured.outputs
    assert question.data["text/plain"] == "Predict: Which?\n  ( ) b first\n  ( ) a second"
    assert (
        answer.data["text/plain"]
        == "You predicted: a second\nWhat happened: b first\nWhy: <because>"
    )
    assert "&lt;because&gt;" in answer.data["text/html"]


@pytest.mark.parametrize("asked", [True, False])
def test_without_a_choice_the_outcome_is_enough(asked: bool) -> None:
    with capture_output() as captured:
        if asked:
            predict("k2", "Which?", ["a", "b"])
        outcome("k2" if asked else "never asked", "a")
    assert shown(captured.outputs[-1:]) == "What happened: a"


def test_nothing_is_chosen_beforehand() -> None:
    with capture_output():
        predict("k3", "Which?", ["a", "b"])
    assert prediction._choices["k3"].value is None


@pytest.mark.parametrize("options", [[], ["a"], ["a", "a"]])
def test_a_prediction_needs_a_choice(options: list[str]) -> None:
    with pytest.raises(LessonError, match="at least two different options"):
        predict("k4", "Which?", options)


def test_a_quiz_is_the_same_each_time_and_leaves_random_alone() -> None:
    before = random.getstate()
    outputs = []
    for _ in range(2):
        with capture_output() as captured:
            quiz(QUESTIONS)
        outputs.append([output.data for output in captured.outputs])
    assert outputs[0] == outputs[1]
    assert random.getstate() == before
