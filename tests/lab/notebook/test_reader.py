"""Predictions and self-checks."""

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import RichOutput, capture_output

from lab import notebook
from lab.notebook import check, choices, outcome, predict, quiz
from lab.notebook.errors import LessonError

TEXTS = """
[predictions.second]
question = "What does <b> do?"
answer = "new"
why = "<{count}> events"
options.new = "Create a new one"
options.again = "Start the old one"
options.nothing = "Nothing"

[[quiz]]
question = "Which one runs?"
type = "multiple_choice"
answers = [
    { answer = "an <code>image</code>", correct = false, feedback = "An image is a snapshot." },
    { answer = "a container", correct = true, feedback = "Yes." },
]
"""
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


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A workspace with the texts of a lesson 42, whose notebook runs in its folder course/."""
    folder = tmp_path / "course" / "lesson-texts"
    folder.mkdir(parents=True)
    (folder / "42-answers.toml").write_text(TEXTS)
    monkeypatch.chdir(tmp_path / "course")
    yield tmp_path
    a_new_kernel()


def a_new_kernel() -> None:
    choices._in_this_kernel.clear()


def last(outputs: list[RichOutput]) -> str:
    return str(outputs[-1].data["text/plain"])


def choose(option: str) -> None:
    """What a click on a radio button does."""
    import ipywidgets  # type: ignore[import-untyped]

    buttons = [
        widget
        for widget in ipywidgets.widgets.widget._instances.values()
        if isinstance(widget, ipywidgets.RadioButtons)
    ]
    buttons[-1].value = option


def test_the_prediction_stands_beside_the_outcome() -> None:
    with capture_output() as captured:
        predict("42-second")
        choose("again")
        outcome("42-second", facts={"count": 3}, new=True, again=False, nothing=False)
    question, answer = captured.outputs
    asked = question.data["text/plain"].splitlines()
    assert asked[0] == "Predict: What does <b> do?"
    assert sorted(asked[1:]) == [
        "  ( ) Create a new one",
        "  ( ) Nothing",
        "  ( ) Start the old one",
    ]
    assert answer.data["text/plain"] == (
        "You predicted: Start the old one\nWhat happened: Create a new one\nWhy: <3> events"
    )
    for output in (question, answer):  # also where no widget can be shown
        assert "&lt;" in output.data["text/html"]
        assert "<3>" not in output.data["text/html"]


def test_a_choice_is_kept_when_the_cell_runs_again_also_in_another_kernel(workspace: Path) -> None:
    with capture_output():
        predict("42-second")
        choose("again")
    for begin in (lambda: None, a_new_kernel):
        begin()
        with capture_output() as captured:
            predict("42-second")
            outcome("42-second", facts={"count": 3}, new=True, again=False, nothing=False)
        assert "  (x) Start the old one" in captured.outputs[0].data["text/plain"].splitlines()
        assert last(captured.outputs).startswith("You predicted: Start the old one\n")
    assert json.loads((workspace / ".predictions.json").read_text()) == {"42-second": "again"}


@pytest.mark.parametrize(
    "kept",
    [
        "",
        "no JSON",
        "[" * 100_000,
        "[]",
        '{"42-second": "an option of before"}',
        '{"42-second": 7}',
    ],
)
def test_what_was_kept_and_cannot_be_used_is_nothing_chosen(workspace: Path, kept: str) -> None:
    (workspace / ".predictions.json").write_text(kept)
    with capture_output() as captured:
        predict("42-second")
        outcome("42-second", facts={"count": 3}, new=True, again=False, nothing=False)
    assert "(x)" not in captured.outputs[0].data["text/plain"]
    assert last(captured.outputs).startswith("What happened: Create")
    with capture_output():
        choose("nothing")
    assert json.loads((workspace / ".predictions.json").read_text()) == {"42-second": "nothing"}


def test_a_reader_can_predict_where_nothing_can_be_written(workspace: Path) -> None:
    (workspace / ".predictions.json").mkdir()
    with capture_output() as captured:
        predict("42-second")
        choose("again")
        outcome("42-second", facts={"count": 3}, new=True, again=False, nothing=False)
    assert last(captured.outputs).startswith("You predicted: Start the old one\n")
    assert sorted(path.name for path in workspace.iterdir()) == [".predictions.json", "course"]


def test_a_reader_can_predict_where_nothing_can_be_removed(workspace: Path) -> None:
    (workspace / f".predictions.json.{os.getpid()}").mkdir()
    with capture_output() as captured:
        predict("42-second")
        choose("again")
        predict("42-second")
    assert "(x) Start the old one" in last(captured.outputs)


@pytest.mark.parametrize("seen", [(False, False, False), (True, True, False)])
def test_something_else_that_happened_has_no_why(seen: tuple[bool, bool, bool]) -> None:
    new, again, nothing = seen
    with capture_output() as captured:
        outcome("42-second", facts={"count": 3}, new=new, again=again, nothing=nothing)
    assert last(captured.outputs).startswith("What happened: something else than any of these")
    assert "Why" not in last(captured.outputs)


def test_another_option_that_happened_is_told_without_the_why_of_the_expected_one() -> None:
    with capture_output() as captured:
        outcome("42-second", facts={"count": 3}, new=False, again=True, nothing=False)
    assert last(captured.outputs) == "What happened: Start the old one"


def test_an_outcome_looks_for_each_option() -> None:
    with pytest.raises(LessonError, match=r"again, new, nothing\.\nTry: rename"):
        outcome("42-second", new=True)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("42-third", "no question '42-third'.\nTry: rename this notebook"),
        ("43-second", "lesson 43 are not here"),
    ],
)
def test_a_question_that_is_not_there_says_what_to_do(key: str, said: str) -> None:
    with pytest.raises(LessonError, match=said):
        predict(key)


@pytest.mark.parametrize(
    "texts",
    [
        "[predictions",
        "predictions = 7",
        "predictions.second = 'What?'",
        TEXTS.replace('answer = "new"', ""),
        "[[quiz]]\nquestion = 'cut short'",
    ],
)
def test_texts_that_cannot_be_read_say_what_to_do(workspace: Path, texts: str) -> None:
    (workspace / "course/lesson-texts/42-answers.toml").write_text(texts)
    with pytest.raises(LessonError, match=r"cannot be read.*\nTry: move"):
        predict("42-second")


@pytest.mark.parametrize("folder", [".", "course/mine", "course/lesson-texts"])
def test_a_copy_of_a_lesson_finds_its_texts_from_elsewhere_in_the_workspace(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (workspace / folder).mkdir(exist_ok=True)
    monkeypatch.chdir(workspace / folder)
    with capture_output() as captured:
        predict("42-second")
        choose("new")
    assert captured.outputs
    assert (workspace / ".predictions.json").exists()


def test_a_notebook_of_ones_own_holds_its_texts_itself() -> None:
    with capture_output() as captured:
        predict("mine", "Which?", ["b first", "a second"])
        choose("a second")
        outcome("mine", "b first", why="<because>")
        outcome("never asked", "b first")
    question, answer, alone = captured.outputs
    assert question.data["text/plain"] == "Predict: Which?\n  ( ) b first\n  ( ) a second"
    assert (
        answer.data["text/plain"]
        == "You predicted: a second\nWhat happened: b first\nWhy: <because>"
    )
    assert alone.data["text/plain"] == "What happened: b first"
    assert "&lt;because&gt;" in answer.data["text/html"]


def test_an_old_copy_of_a_lesson_and_the_lesson_keep_their_choices_apart() -> None:
    old = ["starts the old one", "creates a new one"]
    with capture_output() as captured:
        predict("42-second")
        choose("again")
        predict("42-second", "What does it do?", old)
        outcome("42-second", old[1], why="because")
        choose(old[0])
        outcome("42-second", old[1], why="because")
        predict("42-second")
    _, _, unasked, asked, lesson = (output.data["text/plain"] for output in captured.outputs)
    assert unasked == "What happened: creates a new one\nWhy: because"
    assert asked.startswith("You predicted: starts the old one\n")
    assert "(x) Start the old one" in lesson


@pytest.mark.parametrize("options", [[], ["a"], ["a", "a"]])
def test_a_prediction_needs_a_choice(options: list[str]) -> None:
    with pytest.raises(LessonError, match="at least two different options"):
        predict("k4", "Which?", options)


@pytest.mark.parametrize("asked", ["42", QUESTIONS])
def test_a_quiz_is_the_same_each_time_and_leaves_random_alone(asked: object) -> None:
    before = random.getstate()
    outputs = []
    for _ in range(2):
        with capture_output() as captured:
            quiz(asked)  # type: ignore[arg-type]
        outputs.append([output.data for output in captured.outputs])
    assert outputs[0] == outputs[1]
    assert random.getstate() == before


TASK = """
[tasks.bell]
check = '''
class Failed(Exception):
    found, expected = "`bell` is <b>running</b>.", "`bell` exited."
if rung != 3:
    raise Failed
'''
hints = ["a nudge", "`docker stop`"]
solution = "rung = 3"
undo = "rung = 0"
wrong = [{ answer = "rung = 1", says = "running" }, { answer = "rung = 2", says = "running" }]
"""


def test_a_task_says_what_is_missing_and_one_hint_more_each_time(
    workspace: Path, shell: InteractiveShell
) -> None:
    (workspace / "course/lesson-texts/44-tasks.toml").write_text(TASK)
    said = []
    for rung in (1, 1, 2, 3, 1):
        shell.push({"rung": rung})
        with capture_output() as captured:
            check("44-bell")
        said.append(captured.outputs[-1])
    texts = [output.data["text/plain"] for output in said]
    first = "Not yet: `bell` is <b>running</b>.\nExpected: `bell` exited.\nHint 1: a nudge"
    second = f"{first}\nHint 2: `docker stop`"
    assert texts == [first, second, second, "✓ That is it.", first]
    assert "<code>bell</code> is &lt;b&gt;running" in said[0].data["text/html"]
    for output in said:  # one click away, never open
        assert "<details><summary>" in output.data["text/html"]
        assert "rung = 3" not in output.data["text/plain"]


def test_what_a_command_printed_can_be_kept_in_python_too(
    workspace: Path, shell: InteractiveShell
) -> None:
    kept = TASK.replace("rung != 3", "rung.splitlines() != ['one', 'two']")
    (workspace / "course/lesson-texts/44-tasks.toml").write_text(kept)
    assert shell.run_cell("rung = !printf 'one\\ntwo\\n'").success
    with capture_output() as captured:
        check("44-bell")
    assert last(captured.outputs) == "✓ That is it."


def test_a_lab_that_is_not_well_is_no_miss(workspace: Path) -> None:
    broken = TASK.replace(
        "if rung != 3:\n    raise Failed", "raise type('E', (Exception,), {'hint': 'x'})('ill')"
    )
    (workspace / "course/lesson-texts/44-tasks.toml").write_text(broken)
    with pytest.raises(LessonError, match="ill"):
        check("44-bell")


OF_0_1_0 = {
    *("answer_plot", "engine_map", "layer_plot", "object_tree", "outcome", "predict", "quiz"),
    *("record_answers", "record_events", "sequence_diagram", "state_diagram"),
    "writable_layer_plot",
}


def test_a_lesson_that_its_reader_keeps_from_version_0_1_0_finds_what_it_calls() -> None:
    assert set(notebook.__all__) >= OF_0_1_0
    assert all(callable(getattr(notebook, name)) for name in OF_0_1_0)
