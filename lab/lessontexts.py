"""What a lesson asks of its reader, predictions, tasks, the quiz, and where it can be entered. All
this stands beside it, not in its cells.

``course/lesson-texts/`` has a file for each lesson, named like it. So no cell shows an answer
before the reader has seen what happens, and where an answer stands is drawn by lot.
"""

import hashlib
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from lab.errors import LabError

T = TypeVar("T")
FOLDER = "lesson-texts"
CLEAN_START = "clean-start"
"""The id of the cell with which each lesson begins."""
YOUR_TURN = "your-turn"
"""The tag of a cell that the reader writes; the next code cell checks it."""


@dataclass(frozen=True)
class Prediction:
    """A question of a lesson. ``options`` are their texts by id, in the order in which a reader
    sees them; ``answer`` is the id of the one that happens in the lab, and ``why`` it happens: for
    `str.format`, with the facts that the lesson's cell finds out.
    """

    key: str
    question: str
    options: dict[str, str]
    answer: str
    why: str


@dataclass(frozen=True)
class WrongAnswer:
    """What a reader may plausibly write in the place of a task's solution, and a part of what the
    check then says.
    """

    answer: str
    says: str


@dataclass(frozen=True)
class Task:
    """A cell that the reader writes. ``check`` is Python, which calls the checks of exercises;
    ``hints`` come one with each miss: a nudge, the command's name, the command. ``solution`` is the
    whole cell, like each of ``wrong``. ``undo`` (bash) takes away what an answer made, so that the
    tests can try the next one.
    """

    key: str
    check: str
    hints: list[str]
    solution: str
    undo: str
    wrong: list[WrongAnswer]


@dataclass(frozen=True)
class Section:
    """Where a lesson can be entered. ``needs`` is what the section starts from, in words that end
    the sentence "This section starts from …". It is there if ``there`` (bash) succeeds and all
    ``variables`` of the kernel exist; else the lesson's ``cells`` with these ids make it, after its
    clean start.
    """

    key: str
    needs: str
    there: str
    variables: list[str]
    cells: list[str]


@dataclass(frozen=True)
class LessonTexts:
    """What stands beside one lesson: predictions, tasks and sections by key, and quiz questions in
    jupyterquiz's format.
    """

    predictions: dict[str, Prediction]
    tasks: dict[str, Task]
    sections: dict[str, Section]
    quiz: list[dict[str, Any]]


def read(file: Path) -> LessonTexts:
    """The texts in this file. Raises LabError where it cannot be used."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        return _texts(file.stem.partition("-")[0], content)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        why = str(error)
    except KeyError as error:
        why = f"an entry has no {error}"
    except (AttributeError, TypeError) as error:
        why = f"an entry is of another kind than it should be ({error})"
    raise LabError(
        f"The questions of this lesson cannot be read: {why}.",
        f"move {file} away; `bin/lab up` puts it there again.",
    )


def find(number: str, start: Path) -> Path | None:
    """The file of the lesson with this number, as seen from a folder of the course: a lesson runs
    in ``course/``, a reader's copy of it perhaps elsewhere in the workspace.
    """
    for folder in _candidates(start.absolute()):
        for file in sorted(folder.glob(f"{number}-*.toml")):
            return file
    return None


def source(cell: dict[str, Any]) -> str:
    """A cell's text: nbformat keeps it as lines or as one string."""
    return "".join(cell["source"])


def your_turns(
    cells: list[dict[str, Any]], tasks: dict[str, Task]
) -> Iterator[tuple[int, int, Task]]:
    """Each cell that the reader writes, by number, with the number of its check, and the task."""
    code = [number for number, cell in enumerate(cells) if cell["cell_type"] == "code"]
    for number, following in pairwise(code):
        if YOUR_TURN in cells[number].get("metadata", {}).get("tags", []):
            key = source(cells[following]).removeprefix('check("').partition('"')[0]
            yield number, following, tasks[key]


def by_lot(question: dict[str, Any]) -> dict[str, Any]:
    """A quiz question with its answers in an order drawn by lot, the same each time."""
    if "choice" not in question["type"]:
        return question
    answers = {answer["answer"]: answer for answer in question["answers"]}
    return question | {"answers": [answers[one] for one in _drawn(question["question"], answers)]}


def _texts(number: str, content: dict[str, Any]) -> LessonTexts:
    def each(kind: str, made: Callable[[str, dict[str, Any]], T]) -> dict[str, T]:
        entries = content.get(kind, {}).items()
        return {(key := f"{number}-{name}"): made(key, entry) for name, entry in entries}

    return LessonTexts(
        each("predictions", _prediction),
        each("tasks", _task),
        each("sections", _section),
        [by_lot(question) for question in content.get("quiz", [])],
    )


def _prediction(key: str, entry: dict[str, Any]) -> Prediction:
    options: dict[str, str] = entry["options"]
    return Prediction(
        key,
        entry["question"],
        {name: options[name] for name in _drawn(key, options)},
        entry["answer"],
        entry.get("why", ""),
    )


def _task(key: str, entry: dict[str, Any]) -> Task:
    return Task(
        key,
        entry["check"],
        entry["hints"],
        entry["solution"].strip("\n"),
        entry.get("undo", ""),
        [WrongAnswer(each["answer"].strip("\n"), each["says"]) for each in entry["wrong"]],
    )


def _section(key: str, entry: dict[str, Any]) -> Section:
    return Section(
        key,
        entry["needs"],
        entry.get("there", ""),
        list(entry.get("variables", [])),
        list(entry.get("cells", [])),
    )


def _drawn(seed: str, names: Iterable[str]) -> list[str]:
    """In an order that depends on nothing that an author chooses, and stays the same."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}|{name}".encode()).digest())


def _candidates(start: Path) -> Iterator[Path]:
    for folder in (start, *start.parents):
        yield folder / FOLDER
        yield folder / "course" / FOLDER
