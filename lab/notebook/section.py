"""A lesson can be entered at each section: what the section starts from is there, or is made."""

import json
import subprocess
from dataclasses import dataclass
from html import escape
from pathlib import Path

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display
from IPython.utils.capture import capture_output

from lab import lessontexts
from lab.lessontexts import CLEAN_START, Section, source, your_turns
from lab.notebook.errors import LessonError
from lab.notebook.texts import OTHER_VERSION, of_lesson, there

LOOK_SECONDS = 30.0


def section(key: str) -> None:
    """Say what the section `key` of a lesson starts from. Where a part of it is missing, because
    the lesson was broken off or its kernel is new, the lesson's clean start runs, and then those of
    its cells that make it (`course/lesson-texts/`); of a task, its solution.

    >>> section("05-container")
    """
    number = key.partition("-")[0]
    asked = there(of_lesson(number).sections, key)
    if _is_there(asked):
        display(_Starts(asked.needs, ""))  # type: ignore[no-untyped-call]
        return
    sources = _sources(number)
    for name in (CLEAN_START, *asked.cells):
        if name not in sources:
            raise LessonError(f"The lesson has no cell {name!r} any more.\n{OTHER_VERSION}")
        _run(sources[name])
    if not _is_there(asked):
        raise LessonError(
            f"This section starts from {asked.needs}, and that could not be made.\n"
            "Try: run the lesson from its first cell."
        )
    display(_Starts(asked.needs, _made(len(asked.cells))))  # type: ignore[no-untyped-call]


def _made(cells: int) -> str:
    ran = "the lesson's clean start"
    if cells:
        ran += f" and {cells} of its cells" if cells > 1 else " and one of its cells"
    return f"It was not all there: {ran} ran again."


def _is_there(asked: Section) -> bool:
    if not all(name in InteractiveShell.instance().user_ns for name in asked.variables):
        return False
    if not asked.there:
        return True
    look = ["bash", "-euo", "pipefail", "-c", asked.there]
    try:
        done = subprocess.run(
            look, stdin=subprocess.DEVNULL, capture_output=True, timeout=LOOK_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _sources(number: str) -> dict[str, str]:
    """The lesson's code cells by id, as they stand in its file; a task's with its solution."""
    file = lessontexts.find(number, Path.cwd())
    notebook = file and file.parent.parent / f"{file.stem}.ipynb"
    tasks = of_lesson(number).tasks
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"] if notebook else []
        turns = {turn: task.solution for turn, _, task in your_turns(cells, tasks)}
        return {
            cell.get("id", ""): turns.get(place) or source(cell)
            for place, cell in enumerate(cells)
            if cell["cell_type"] == "code"
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LessonError(f"Lesson {number} cannot be read: {error}\n{OTHER_VERSION}") from error


def _run(text: str) -> None:
    """Its output is not this section's. What goes wrong is shown."""
    with capture_output():
        result = InteractiveShell.instance().run_cell(text, store_history=False)  # type: ignore[no-untyped-call]
    if not result.success:
        error = result.error_in_exec or result.error_before_exec
        raise LessonError(f"{error}\nTry: run the lesson from its first cell.")


@dataclass(frozen=True)
class _Starts:
    needs: str
    made: str

    def __repr__(self) -> str:
        return f"✓ This section starts from {self.needs}. {self.made}".rstrip()

    def _repr_html_(self) -> str:
        return f"<p><small>{escape(repr(self))}</small></p>"
