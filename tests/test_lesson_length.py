"""No lesson is longer than somebody can work through in an hour."""

import json
import re
from dataclasses import dataclass

import pytest

from lab.course import ROOT
from lab.lessontexts import YOUR_TURN, source

LESSONS = sorted((ROOT / "course").glob("*.ipynb"))
WORDS_A_MINUTE = 130
FINISHED_CELL, PREDICTION, QUIZ = 20 / 60, 30 / 60, 3.0  # minutes
MOST_CELLS, MOST_MINUTES = 90, 60
# Two halves, with a place to stop.
LONG = {"16": (110, 90), "20": (110, 90)}
TASK = re.compile(r"\*\*Your turn\*\* \((\d+) minutes?\)")
SAYS = re.compile(r"(\d+) minutes")


@dataclass(frozen=True)
class Length:
    """How long a lesson is, and how many minutes it says it takes."""

    cells: int
    minutes: float
    tasks: int
    says: int


def length(cells: list[dict[str, object]]) -> Length:
    """By the formula above; what a task takes it says itself. What makes a section's beginning for
    whoever enters there is hidden, and no cell to work through.
    """
    cells = [cell for cell in cells if not source(cell).startswith("section(")]
    text = "\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown")
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    predictions = sum(source(cell).startswith("predict(") for cell in code)
    quizzes = sum(source(cell).startswith("quiz(") for cell in code)
    finished = [
        cell
        for cell in code
        if not cell["metadata"].get("jupyter", {}).get("source_hidden")  # type: ignore[attr-defined]
        and YOUR_TURN not in cell["metadata"].get("tags", [])  # type: ignore[attr-defined]
    ]
    tasks = [int(minutes) for minutes in TASK.findall(text)]
    says = SAYS.search(source(cells[0]))
    assert says, "the first cell says how many minutes the lesson takes"
    return Length(
        len(cells),
        len(re.findall(r"\w+(?:[\u2019'-]\w+)*", text)) / WORDS_A_MINUTE
        + len(finished) * FINISHED_CELL
        + predictions * PREDICTION
        + quizzes * QUIZ
        + sum(tasks),
        len(tasks),
        int(says[1]),
    )


def test_lessons_are_as_long_as_they_say_and_not_too_long(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = {path.stem: length(json.loads(path.read_text())["cells"]) for path in LESSONS}
    with capsys.disabled():
        print("\n  lesson                          cells  tasks  minutes  says")
        for stem, one in found.items():
            print(f"  {stem:30} {one.cells:6} {one.tasks:6} {one.minutes:8.0f} {one.says:5}")
    for stem, one in found.items():
        most_cells, most_minutes = LONG.get(stem[:2], (MOST_CELLS, MOST_MINUTES))
        assert one.cells <= most_cells, stem
        assert one.minutes <= most_minutes, stem
        # it promises to the nearest five minutes, and may be generous
        assert one.minutes - 5 <= one.says <= one.minutes + 15, (stem, one)
