"""Which cell explains a lost point: one that ended early, or changed what later cells need."""

import json
from typing import Any

import pytest

from grader.exercise.cells import ReleasedCell
from grader.judging.explanations import KEY, Explanations
from grader.sandbox.interface import Reply, ReplyStatus

AT_FIRST = {
    "the working directory": "/home/student/work",
    "the environment variable `PATH`": "1f",
    "the name `open`, which is Python's own": "taken",
}


def reply(found: Any, status: ReplyStatus = "ok") -> Reply:
    claim = {"status": "ok", "data": {"text/plain": repr(json.dumps(found))}}
    return Reply(status, expressions={KEY: claim})


def noted(*cells: tuple[str, Reply]) -> str:
    """The note once these cells have run."""
    explanations = Explanations()
    explanations.after("%load_ext lab.notebook", None, reply(AT_FIRST))
    for source, answer in cells:
        explanations.after(source, None, answer)
    return explanations.taken()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"the working directory": "/tmp"}, "changed the working directory, now `/tmp`."),
        ({"the environment variable `PATH`": "2e"}, "the environment variable `PATH`."),
        ({"Python's own `print`": "another"}, "Python's own `print`."),
        ({"the name `list`, which is Python's own": "taken"}, "the name `list`, which is Python's"),
    ],
)
def test_what_changed_is_named_when_a_later_cell_fails(changed: dict[str, str], says: str) -> None:
    first = ("\nimport os\nos.chdir('x')", reply(AT_FIRST | changed))
    assert noted(first) == ""
    assert noted(first, ("fine()", reply(AT_FIRST | changed))) == ""
    note = noted(first, ("fails()", reply(AT_FIRST | changed, "error")))
    assert "Your cell `import os` changed " in note
    assert says in note


def test_a_change_after_the_failure_does_not_explain_it() -> None:
    moved = AT_FIRST | {"the working directory": "/"}
    note = noted(("fails()", reply(AT_FIRST, "error")), ("%cd /", reply(moved)))
    assert "`fails()`" in note
    assert "changed" not in note


SHELL = ("CommandError", "line 2: docker run web\nended with exit status 125.\nTry: docker ps")


@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        (
            "total = 1/0",
            ("ZeroDivisionError", "division by zero"),
            "`total = 1/0` ended with an error: `ZeroDivisionError: division by zero`.",
        ),
        (
            "%%shell\ndocker run web",
            SHELL,
            "ended with an error: `line 2: docker run web ended with exit status 125`.",
        ),
        ("", ("", ""), "Your cell `` ended with an error"),
        ("x" * 9999, ("E" * 9999, "v" * 9999), "ended with an error"),
    ],
)
def test_a_cell_that_ended_early_is_named_with_its_error(
    source: str, error: tuple[str, str], says: str
) -> None:
    explanations = Explanations()
    explanations.after(source, None, Reply("error", error=error))
    explanations.after("fine()", None, reply(AT_FIRST))
    note = explanations.taken()
    assert says in note
    assert len(note) < 500
    assert explanations.taken() == "", "the next check has cells of its own above it"


def test_a_cell_that_was_stopped_is_named() -> None:
    explanations = Explanations()
    explanations.after("while True: pass", None, Reply("timeout"))
    assert "`while True: pass` was stopped at its time limit." in explanations.taken()


def test_cells_of_ours_explain_nothing() -> None:
    explanations = Explanations()
    ours = ReleasedCell("setup", "code", "fails()", True, False, False, False, 0.0, "0")
    explanations.after("fails()", ours, Reply("error", error=("E", "v")))
    assert explanations.taken() == ""


def test_a_cell_that_changes_something_and_fails_is_the_one_that_is_named() -> None:
    moved = AT_FIRST | {"the working directory": "/"}
    later = ("fails()", reply(moved, "error"))
    assert "`%cd /`" in noted(("%cd /\nfails()", reply(moved, "error")), later)


def test_a_new_variable_of_the_environment_harms_nobody() -> None:
    new = AT_FIRST | {"the environment variable `GREETING`": "3a"}
    assert "changed" not in noted(("a", reply(new)), ("fails()", reply(new, "error")))


def test_a_kernel_that_can_no_longer_say_is_told() -> None:
    broken = Reply("ok", expressions={KEY: {"status": "error", "ename": "NameError"}})
    assert "`del print` changed what Python itself needs" in noted(("del print", broken))


@pytest.mark.parametrize("claim", [7, [], {"a": {"b": 1}}, {"x" * 999: "y" * 999}, None, "no"])
def test_claims_of_any_shape_are_short_words(claim: Any) -> None:
    answers = [("a", reply(claim)), ("b", reply(AT_FIRST)), ("c", reply(claim, "error"))]
    assert len(noted(*answers)) < 2000


def test_a_kernel_that_says_nothing_is_no_news() -> None:
    assert "changed" not in noted(("a", Reply("timeout")), ("b", Reply("ok")))
