"""The notes are taught: each entry of course/coverage.toml names a cell that exists."""

import json
import tomllib

import pytest

from lab.course import ROOT

STATEMENTS = tomllib.loads((ROOT / "course" / "coverage.toml").read_text())["statement"]
LESSONS = {
    path.name[:2]: json.loads(path.read_text())
    for path in sorted((ROOT / "course").glob("*.ipynb"))
}


@pytest.mark.parametrize(
    "statement", STATEMENTS, ids=lambda statement: f"{statement['lesson']}-{statement['cell']}"
)
def test_statement_of_the_notes_is_taught_where_it_says(statement: dict[str, str]) -> None:
    assert statement["cell"] in [cell["id"] for cell in LESSONS[statement["lesson"]]["cells"]], (
        statement["text"]
    )


def test_every_lesson_covers_something() -> None:
    assert set(LESSONS) == {statement["lesson"] for statement in STATEMENTS}


@pytest.mark.parametrize("number", sorted(LESSONS))
def test_lesson_is_a_notebook_as_agreed(number: str) -> None:
    lesson = LESSONS[number]
    kinds = [cell["cell_type"] for cell in lesson["cells"]]
    assert "codecodecode" not in "".join(kinds), "never three code cells in a row"
    assert kinds[0] == "markdown"
    assert "".join(lesson["cells"][0]["source"]).startswith(f"# {number} · ")
    assert any("quiz(" in "".join(cell["source"]) for cell in lesson["cells"])
    assert any("--expect-exit" in "".join(cell["source"]) for cell in lesson["cells"]), (
        "one real failure"
    )
    assert lesson["metadata"]["kernelspec"]["name"] == "python3"
