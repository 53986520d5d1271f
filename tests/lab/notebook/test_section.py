"""A section makes what it starts from, if it is not there."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from lab.notebook.errors import LessonError
from lab.notebook.section import section

TEXTS = """
[tasks.write]
check = ""
hints = []
solution = "from pathlib import Path; Path('written').touch()"
wrong = []

[sections.second]
needs = "the file written, and what was counted"
there = "test -e written"
variables = ["counted"]
cells = ["count", "turn"]

[sections.hopeless]
needs = "a file that no cell makes"
there = "test -e never"

[sections.broken]
needs = "what fails"
there = "false"
cells = ["fail"]

[sections.strange]
needs = "a cell that somebody took out"
there = "false"
cells = ["taken-out"]
"""
CELLS = {
    "clean-start": "started = globals().get('started', 0) + 1",
    "count": "print('not to be seen'); counted = 3",
    "turn": "# your commands",
    "turn-check": 'check("43-write")',
    "fail": "raise ValueError('as it does')",
}


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """The kernel's names, in the folder of a lesson 43."""
    folder = tmp_path / "course"
    (folder / "lesson-texts").mkdir(parents=True)
    (folder / "lesson-texts" / "43-entered.toml").write_text(TEXTS)
    cells = [
        {"cell_type": "code", "id": name, "source": [text], "metadata": {}}
        for name, text in CELLS.items()
    ]
    cells[2]["metadata"] = {"tags": ["your-turn"]}
    lesson = {"cells": [{"cell_type": "markdown", "source": "## One"}, *cells]}
    (folder / "43-entered.ipynb").write_text(json.dumps(lesson))
    monkeypatch.chdir(folder)
    shell = InteractiveShell.instance()
    for name in ("started", "counted"):
        shell.user_ns.pop(name, None)
    yield shell.user_ns
    InteractiveShell.clear_instance()


def said(key: str) -> str:
    """What the cell shows."""
    with capture_output() as captured:
        section(key)
    return captured.stdout + "".join(
        output.data["text/plain"] for output in captured.outputs if output.data
    )


def test_what_is_missing_is_made_by_the_lessons_own_cells(names: dict[str, object]) -> None:
    assert said("43-second") == (
        "✓ This section starts from the file written, and what was counted. It was not all there:"
        " the lesson's clean start and 2 of its cells ran again."
    )
    assert names["counted"] == 3
    assert Path("written").exists()


def test_what_is_there_is_left_alone(names: dict[str, object]) -> None:
    said("43-second")
    names["counted"] = 4
    assert said("43-second") == (
        "✓ This section starts from the file written, and what was counted."
    )
    assert (names["started"], names["counted"]) == (1, 4)


@pytest.mark.parametrize("gone", ["file", "variable"])
def test_a_part_of_it_is_not_enough(names: dict[str, object], gone: str) -> None:
    said("43-second")
    if gone == "file":
        Path("written").unlink()
    else:
        del names["counted"]
    assert "ran again" in said("43-second")
    assert names["started"] == 2


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("43-hopeless", "that could not be made"),
        ("43-broken", "as it does\nTry: run the lesson from its first cell."),
        ("43-strange", "The lesson has no cell 'taken-out' any more"),
        ("43-nowhere", "There is no question '43-nowhere'"),
    ],
)
def test_what_cannot_be_made_is_said(key: str, says: str) -> None:
    with pytest.raises(LessonError) as raised:
        said(key)
    assert says in str(raised.value)


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize("content", [None, "{", '{"cells": 3}', "{}"])
def test_a_lesson_that_cannot_be_read_is_named(content: str | None) -> None:
    lesson = Path("43-entered.ipynb")
    lesson.unlink() if content is None else lesson.write_text(content)
    with pytest.raises(LessonError, match=r"Lesson 43 cannot be read|has no cell 'clean-start'"):
        said("43-second")
