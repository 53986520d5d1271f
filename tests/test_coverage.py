"""Each sentence of the study notes is taught: in a cell that exists, or in a lesson to come."""

import json
import tomllib
from collections.abc import Iterable

import pytest

from lab.course import ROOT

from .study_notes import (
    COVERAGE,
    NOTES,
    Statement,
    misplaced,
    misquoted,
    sentences,
    statement_of,
    unquoted,
)

SENTENCES = sentences((ROOT / NOTES).read_text())
_COVERAGE = tomllib.loads((ROOT / COVERAGE).read_text())
STATEMENTS = [statement_of(entry) for entry in _COVERAGE["statement"]]
COMING = _COVERAGE["coming"]
LESSONS = {
    path.name[:2]: json.loads(path.read_text())
    for path in sorted((ROOT / "course").glob("*.ipynb"))
}
CELLS = {number: {cell["id"] for cell in lesson["cells"]} for number, lesson in LESSONS.items()}

SMALL = """\
## A heading is a title

- An image is files. It does **not** run.
1. `docker build .` makes an image
[a link](https://example.org/a)
---
- Images are shared.
"""


def assert_none(faults: Iterable[str]) -> None:
    messages = "\n".join(faults)
    if messages:
        pytest.fail(messages, pytrace=False)


def test_every_sentence_of_the_notes_is_quoted() -> None:
    assert_none(unquoted(SENTENCES, STATEMENTS))


def test_each_statement_quotes_one_sentence_of_the_notes() -> None:
    assert_none(misquoted(SENTENCES, STATEMENTS))


def test_each_statement_is_in_a_cell_or_in_a_lesson_to_come() -> None:
    assert_none(misplaced(SENTENCES, STATEMENTS, CELLS, COMING))


def test_every_lesson_teaches_something_of_the_notes() -> None:
    assert set(LESSONS) == {statement.lesson for statement in STATEMENTS if statement.cell}


def test_a_lesson_to_come_is_not_there() -> None:
    assert COMING.keys() & LESSONS.keys() == set(), f"delete it from [coming] in {COVERAGE}"


def test_headings_rules_and_links_say_nothing() -> None:
    assert [(sentence.line, sentence.text) for sentence in sentences(SMALL)] == [
        (3, "An image is files."),
        (3, "It does not run."),
        (4, "docker build . makes an image"),
        (7, "Images are shared."),
    ]


@pytest.mark.parametrize(
    ("quotes", "line", "words"),
    [
        (
            ["An image is files.", "docker build . makes an image", "Images are shared"],
            3,
            "It does not run.",
        ),
        (["An image is files. It does not run."], 3, "An image is files."),
        (["`docker build .` makes"], 4, "an image"),
    ],
    ids=["second sentence of a line", "a quote of two sentences", "half a sentence"],
)
def test_what_no_statement_quotes_is_told_with_its_line(
    quotes: list[str], line: int, words: str
) -> None:
    statements = [Statement(quote, "01", "a") for quote in quotes]
    assert any(
        f'line {line}: no statement quotes "{words}"' in fault
        for fault in unquoted(sentences(SMALL), statements)
    )


@pytest.mark.parametrize(
    ("quote", "fault"),
    [
        ("An image is some files.", "no sentence"),
        ("An image is files. It does not run.", "no sentence"),
        ("A heading is a title", "no sentence"),
        ("mage", "occurs 3 times in course/notes.md: line 3, 4, 7"),
        ("An image\nis **files**", None),
    ],
)
def test_quote_is_of_one_place_in_one_sentence(quote: str, fault: str | None) -> None:
    faults = list(misquoted(sentences(SMALL), [Statement(quote, "01", "a")]))
    assert len(faults) == (1 if fault else 0)
    assert all(str(fault) in found for found in faults)


@pytest.mark.parametrize(
    ("lesson", "cell", "fault"),
    [
        ("01", "title", None),
        ("01", "titel", 'lesson 01 has no cell "titel"'),
        ("01", None, "lesson 01 is written"),
        ("02", None, None),
        ("02", "title", "there is no course/02-*.ipynb"),
        ("20", None, "lesson 20 is neither in course/ nor in [coming]"),
    ],
)
def test_statement_is_in_a_cell_or_in_a_lesson_to_come(
    lesson: str, cell: str | None, fault: str | None
) -> None:
    statement = Statement("It does not run.", lesson, cell)
    faults = list(misplaced(sentences(SMALL), [statement], {"01": {"title"}}, {"02"}))
    assert len(faults) == (1 if fault else 0)
    assert all(f'line 3: "{statement.quote}"' in found and str(fault) in found for found in faults)


@pytest.mark.parametrize(
    "entry", [{"text": "It does not run.", "lesson": "01"}, {"lesson": "01", "cell": "title"}]
)
def test_entry_that_is_no_statement_is_told(entry: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="give it a quote") as failure:
        statement_of(entry)
    assert str(entry) in str(failure.value)


@pytest.mark.parametrize("number", sorted(LESSONS))
def test_lesson_is_a_notebook_as_agreed(number: str) -> None:
    lesson = LESSONS[number]
    # the hidden cell at the beginning of a section says one line: it does not count
    kinds = [
        cell["cell_type"]
        for cell in lesson["cells"]
        if not "".join(cell["source"]).startswith("section(")
    ]
    assert "codecodecode" not in "".join(kinds), "never three code cells in a row"
    assert kinds[0] == "markdown"
    assert "".join(lesson["cells"][0]["source"]).startswith(f"# {number} · ")
    assert any("quiz(" in "".join(cell["source"]) for cell in lesson["cells"])
    assert any("--expect-exit" in "".join(cell["source"]) for cell in lesson["cells"]), (
        "one real failure"
    )
    assert lesson["metadata"]["kernelspec"]["name"] == "python3"
