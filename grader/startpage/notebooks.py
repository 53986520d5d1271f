"""The lessons and exercises of a workspace, in the course's order, as their notebooks say.

A notebook's first cell has its title, its question and its minutes, and an exercise's says after
which lessons it comes. So the order is written down once.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from grader.archive import UntrustedError
from grader.course import RELEASE
from grader.handin.manifest import notebook_cells
from lab.course import RECORD

Kind = Literal["lesson", "exercise"]

# Only these paths of the course are in the map: not copies, nor what a lesson's applications hold.
_LESSON = re.compile(r"course/(\d+)-[^/]+\.ipynb")
_EXERCISE = re.compile(rf"{RELEASE}/((\d+)-[^/]+)/\1\.ipynb")
_TITLE = re.compile(r"^# (?:Exercise )?(?:\d+ · )?(.+)$", re.MULTILINE)
_BOLD = re.compile(r"^\*\*(.+?)\*\*\s*$", re.MULTILINE)
_AFTER = re.compile(r"^After lessons? ([\d ,and]+)")
_MINUTES = re.compile(r"\b(\d{1,4}) minutes")
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_LAST = 1_000_000  # after all lessons
UNREADABLE = "It cannot be read as a notebook."


@dataclass(frozen=True)
class Notebook:
    """A lesson or an exercise. ``sections`` maps each heading of second level that has code cells
    to whether all of these were run; code cells before the first heading are a section named "".
    ``begun``: some code cell was run.

    ``minutes`` is None if the notebook does not say. One that cannot be read has no sections, and
    ``problem`` says why.
    """

    path: str
    """Relative to the workspace."""
    kind: Kind
    number: int
    title: str
    question: str = ""
    minutes: int | None = None
    after: int = _LAST
    """The number of the lesson that it is, or comes after."""
    sections: Mapping[str, bool] = field(default_factory=dict)
    begun: bool = False
    problem: str = ""

    @property
    def name(self) -> str:
        """An assignment's or a lesson's, such as 01-containers."""
        return Path(self.path).stem

    @property
    def label(self) -> str:
        """What a reader calls it."""
        return f"{self.kind.capitalize()} {self.number:02} · {self.title}"


def read_notebooks(workspace: Path) -> list[Notebook]:
    """All lessons and exercises that are in the workspace, in the course's order."""
    found = (read_notebook(workspace, path) for path in course_paths(workspace))
    return sorted(found, key=lambda one: (one.after, one.kind == "exercise", one.number))


def course_paths(workspace: Path) -> list[str]:
    """Paths of the course's own notebooks in the workspace, as ``bin/lab up`` brought them."""
    try:
        recorded = json.loads((workspace / RECORD).read_text())
    except (OSError, ValueError, RecursionError):
        return []
    if not isinstance(recorded, dict):
        return []
    known = [path for path in recorded if _LESSON.fullmatch(path) or _EXERCISE.fullmatch(path)]
    # it says no, and raises nothing, below a folder that may not be read
    return [path for path in known if os.path.isfile(workspace / path)]


def read_notebook(workspace: Path, path: str) -> Notebook:
    """One of ``course_paths``."""
    kind, number = _kind(path)
    after = number if kind == "lesson" else _LAST
    title = Path(path).stem.partition("-")[2].replace("-", " ")
    try:
        cells = notebook_cells((workspace / path).read_bytes())
    except OSError as error:
        return Notebook(path, kind, number, title, after=after, problem=f"{error.strerror}.")
    except UntrustedError:
        return Notebook(path, kind, number, title, after=after, problem=UNREADABLE)
    first = _source(cells[0]) if cells else ""
    titled, bold, minutes = _TITLE.search(first), _BOLD.search(first), _MINUTES.search(first)
    later = _AFTER.match(bold[1]) if bold and kind == "exercise" else None
    numbers = [int(text) for text in re.findall(r"\d+", later[1])] if later else []
    return Notebook(
        path,
        kind,
        number,
        titled[1] if titled else title,
        _question(kind, first),
        int(minutes[1]) if minutes else None,
        max(numbers, default=after),
        dict(_sections(cells)),
        any(_was_run(cell) for cell in cells),
    )


def _kind(path: str) -> tuple[Kind, int]:
    lesson = _LESSON.fullmatch(path)
    if lesson:
        return "lesson", int(lesson[1])
    exercise = _EXERCISE.fullmatch(path)
    if exercise is None:
        raise ValueError(f"{path} is neither a lesson nor an exercise")
    return "exercise", int(exercise[2])


def _question(kind: Kind, first: str) -> str:
    """A lesson's is bold; an exercise says in its next paragraph what is to be done."""
    bold = _BOLD.search(first)
    if bold is None:
        return ""
    if kind == "lesson":
        return bold[1]
    return " ".join(first[bold.end() :].strip().partition("\n\n")[0].split())


def _sections(cells: list[dict[str, Any]]) -> Iterator[tuple[str, bool]]:
    ran: dict[str, list[bool]] = {}
    title = ""
    for cell in cells:
        source = _source(cell)
        if cell.get("cell_type") == "markdown":
            title = next(iter(reversed(_SECTION.findall(source))), title)
        elif cell.get("cell_type") == "code" and source.strip():
            ran.setdefault(title, []).append(_was_run(cell))
    yield from ((title, all(each)) for title, each in ran.items())


def _was_run(cell: Mapping[str, Any]) -> bool:
    return cell.get("cell_type") == "code" and cell.get("execution_count") is not None


def _source(cell: Mapping[str, Any]) -> str:
    """The notebook format allows a text or a list of lines."""
    source = cell.get("source", "")
    text = "".join(map(str, source)) if isinstance(source, list) else str(source)
    # JSON can hold half of a character, which no page and no file can
    return text.encode(errors="replace").decode()
