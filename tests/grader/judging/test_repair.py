"""A submission comes back as it was released, whatever was done to it."""

import json
from typing import Any

import pytest

from grader.exercise.cells import ReleasedCell, title_of
from grader.judging.repair import MalformedError, SubmittedCell, read, restore


def released(grade_id: str, source: str = "", **more: Any) -> ReleasedCell:
    known = {
        "cell_type": "code",
        "locked": False,
        "graded": False,
        "solution": False,
        "task": False,
        "points": 0.0,
    }
    return ReleasedCell(
        grade_id=grade_id,
        source=source or f"released {grade_id}",
        checksum="0",
        **{**known, **more},
    )


RELEASED = [
    released("q1", solution=True),
    released("t1", locked=True, graded=True, points=3.0),
    released("q2", cell_type="markdown", solution=True, graded=True, points=2.0),
]


def own(source: str, claims: str | None = None, cell_type: str = "code") -> SubmittedCell:
    return SubmittedCell(cell_type, source, claims)


def restored(*cells: SubmittedCell) -> tuple[list[tuple[str | None, str]], list[str]]:
    notebook, notes = restore(cells, RELEASED)
    return [
        (cell.metadata.get("nbgrader", {}).get("grade_id"), cell.source) for cell in notebook.cells
    ], notes


WHOLE = (own("mine", "q1"), own("released t1", "t1"), own("an answer", "q2", "markdown"))


def test_untouched_order_needs_no_repair() -> None:
    assert restored(*WHOLE) == ([("q1", "mine"), ("t1", "released t1"), ("q2", "an answer")], [])


def test_locked_cell_says_what_was_released() -> None:
    cells, _ = restored(WHOLE[0], own("pass", "t1"), WHOLE[2])
    assert cells[1] == ("t1", "released t1")


@pytest.mark.parametrize(
    ("handed_in", "told"),
    [
        ("check()", []),
        ("check() \n\n", []),
        ("pass", ["Cell t1 had been edited: it says what was released again."]),
    ],
)
def test_edited_locked_cell_is_told_but_not_what_the_release_hid(
    handed_in: str, told: list[str]
) -> None:
    whole = "check()\n### BEGIN HIDDEN TESTS\nmore()\n### END HIDDEN TESTS"
    notebook, notes = restore(
        [own(handed_in, "t1")], [released("t1", whole, locked=True, graded=True)]
    )
    assert (notebook.cells[0].source, notes) == (whole, told)


def test_both_halves_of_a_split_answer_are_there_in_their_order() -> None:
    cells, _ = restored(own("first half", "q1"), own("second half", "q1"), *WHOLE[1:])
    assert cells[:3] == [(None, "first half"), ("q1", "second half"), ("t1", "released t1")]


def test_missing_cells_come_back_in_their_place() -> None:
    cells, notes = restored(WHOLE[2])
    assert cells == [("q1", "released q1"), ("t1", "released t1"), ("q2", "an answer")]
    assert len(notes) == 2


def test_own_cells_stay_behind_the_cell_they_followed() -> None:
    cells, notes = restored(own("top"), *WHOLE[:2], own("extra"), WHOLE[2])
    assert cells == [
        (None, "top"),
        ("q1", "mine"),
        ("t1", "released t1"),
        (None, "extra"),
        ("q2", "an answer"),
    ]
    assert notes == []


def test_moved_cells_return_and_take_their_followers_along() -> None:
    cells, notes = restored(WHOLE[2], own("extra"), WHOLE[1], WHOLE[0])
    assert [grade_id for grade_id, _ in cells] == ["q1", "t1", "q2", None]
    assert notes == ["Cells had been moved: they are in the released order again."]


def test_of_copies_the_last_counts_and_the_others_stay_plain() -> None:
    cells, notes = restored(own("first", "q1"), *WHOLE)
    assert cells[:2] == [(None, "first"), ("q1", "mine")]
    assert "more than once" in notes[0]


def test_invented_id_makes_no_graded_cell() -> None:
    cells, notes = restored(*WHOLE, own("100", "bonus"))
    assert cells[-1] == (None, "100")
    assert "never released" in notes[0]


def test_cell_of_another_type_becomes_what_it_was() -> None:
    notebook, notes = restore([WHOLE[0], own("text", "t1", "markdown"), WHOLE[2]], RELEASED)
    assert notebook.cells[1].cell_type == "code"
    assert "a code cell again" in notes[0]


def test_metadata_come_from_the_gradebook_alone() -> None:
    notebook, _ = restore(WHOLE, RELEASED)
    assert {tuple(cell.metadata) for cell in notebook.cells} == {("nbgrader",)}
    assert notebook.cells[1].metadata["nbgrader"]["points"] == 3


def test_every_cell_has_an_id_of_its_own() -> None:
    notebook, _ = restore([*WHOLE, own("x"), own("y")], RELEASED)
    assert len({cell.id for cell in notebook.cells}) == 5


def content(**more: Any) -> bytes:
    return json.dumps({"nbformat": 4, "cells": [], **more}).encode()


def test_reading_leaves_all_but_type_source_and_id_behind() -> None:
    cell = {
        "cell_type": "code",
        "source": ["a\n", "b"],
        "outputs": [{"output_type": "stream", "text": "x" * 1000}],
        "metadata": {"tags": ["skip-execution"], "nbgrader": {"grade_id": "q1", "points": 100}},
    }
    assert read(content(cells=[cell])) == [SubmittedCell("code", "a\nb", "q1")]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (b"", "empty"),
        (b"hello", "not JSON"),
        (b'{"cells": [', "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 200_000, "nested"),
        (b"[]", "no list of cells"),
        (content(cells={}), "no list of cells"),
        (content(nbformat=3), "format 4"),
        (content(cells=[1]), "Cell 1"),
        (content(cells=[{"cell_type": "heading"}]), "Cell 1"),
        (content(cells=[{"cell_type": "code", "source": 5}]), "source of cell 1"),
        (content(cells=[{"cell_type": "raw", "source": "x"}] * 10_001), "more than"),
    ],
)
def test_what_is_no_notebook_is_named(given: bytes, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason):
        read(given)


def test_odd_metadata_claim_nothing() -> None:
    cells = [
        {"cell_type": "code", "source": "", "metadata": odd}
        for odd in (None, [], {"nbgrader": 1}, {"nbgrader": {"grade_id": 1}})
    ]
    assert {cell.claims for cell in read(content(cells=cells))} == {None}


def test_title_is_the_first_line_of_the_docstring() -> None:
    assert title_of('"""The container runs\n\nmore"""\nx = 1', "t1") == "The container runs"
    assert title_of("%load_ext x\n1 +", "t1") == "t1"
