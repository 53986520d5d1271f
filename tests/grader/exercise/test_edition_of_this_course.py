"""The students' edition of this course: every file in it is searched for every hidden test and
every solution, and commands that cannot work there say so.
"""

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from grader.course import SOURCE
from grader.exercise import edition
from grader.exercise.lint import MARKER, source_text
from grader.exercise.release import lines_of
from lab.course import ROOT

from ...checkouts import unpack_edition
from ...exercises import ASSIGNMENTS

TELLING = 12  # shorter lines (`USER node`, `template:`) are in any text about Docker
NEED_MORE = [
    "bench --quick",
    "collect .",
    "export 01-containers",
    "feedback 01-containers",
    "grade 01-containers",
    "grade 01-containers --course .",
    "release",
    "report 01-containers",
    "test --fast",
    "up --instructor",
]


@dataclass(frozen=True)
class Secret:
    """What one cell hides from students: its solution, or its hidden test."""

    exercise: str
    cell: str
    kind: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.exercise}, {self.cell}: {self.kind}"

    @property
    def telling(self) -> list[str]:
        """What gives it away: each line that students can read nowhere else; where there is none,
        all lines together.
        """
        # lessons teach what solutions need; a test may need what the course's own code needs
        elsewhere = (shown(), taught() if self.kind == "SOLUTION" else programmed())
        lines = [
            line
            for line in self.lines
            if len(line) >= TELLING
            and not line.startswith(("#", "from ", "import "))
            and not any(line in text for text in elsewhere)
        ]
        return lines or ["\n".join(self.lines)]


def cells() -> Iterator[tuple[str, dict[str, Any]]]:
    """The cells of all exercises as their authors wrote them."""
    for name in ASSIGNMENTS:
        path = ROOT / SOURCE / name / f"{name}.ipynb"
        yield from ((name, cell) for cell in json.loads(path.read_text())["cells"])


def by_mark(cell: dict[str, Any]) -> dict[str, list[str]]:
    """A cell's lines by the mark that they are below; "" for what students get too.

    An answer cell without a mark is a solution as a whole.
    """
    found: dict[str, list[str]] = defaultdict(list)
    text = source_text(cell)
    answer = cell["metadata"].get("nbgrader", {}).get("solution", False)
    kind = "SOLUTION" if answer and not MARKER.search(text) else ""
    for line in filter(None, map(str.strip, text.split("\n"))):
        if mark := MARKER.search(line):
            kind = mark[2] if mark[1] == "BEGIN" else ""
        else:
            found[kind].append(line)
    return found


@cache
def secrets() -> list[Secret]:
    return [
        Secret(name, str(cell["metadata"]["nbgrader"]["grade_id"]), kind, tuple(lines))
        for name, cell in cells()
        for kind, lines in by_mark(cell).items()
        if kind
    ]


@cache
def shown() -> str:
    """What exercises show to students."""
    return "\n".join(line for _, cell in cells() for line in by_mark(cell)[""])


@cache
def taught() -> str:
    return text_of(path for path in (ROOT / "course").rglob("*") if path.is_file())


@cache
def programmed() -> str:
    return text_of(path for name in ("lab", "grader") for path in (ROOT / name).rglob("*.py"))


def text_of(paths: Iterable[Path]) -> str:
    """What a reader sees in these files: lines without indentation, and none that are empty."""
    return "\n".join(line for path in paths for line in lines_of(path) if line)


def search(folder: Path) -> dict[str, set[Secret]]:
    """What can be read in which file, by its path in the folder."""
    telling = [(text, secret) for secret in secrets() for text in secret.telling]
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            content = text_of([path])
            if known := {secret for text, secret in telling if text in content}:
                found[path.relative_to(folder).as_posix()] = known
    return found


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack_edition(tmp_path_factory.mktemp("edition"))


def test_no_hidden_test_and_no_solution_can_be_read_in_it(unpacked: Path) -> None:
    read = search(unpacked)
    assert {name: sorted(map(str, found)) for name, found in read.items()} == {}


def test_search_finds_each_hidden_test_and_each_solution_wherever_it_is(tmp_path: Path) -> None:
    assert {secret.exercise for secret in secrets()} == set(ASSIGNMENTS)
    for number, secret in enumerate(secrets()):
        source = [f"    {line}\n" for line in secret.lines]
        cell = {"cell_type": "code", "source": source, "metadata": {}}
        note = {"cells": [], "metadata": {"note": "".join(source)}}
        (tmp_path / f"{number}.md").write_text(f"Do this:\n\n{''.join(source)}")
        (tmp_path / f"{number}-cell.ipynb").write_text(json.dumps({"cells": [cell]}))
        (tmp_path / f"{number}-note.ipynb").write_text(json.dumps(note))
    found = search(tmp_path)
    for number, secret in enumerate(secrets()):
        for name in (f"{number}.md", f"{number}-cell.ipynb", f"{number}-note.ipynb"):
            assert secret in found.get(name, set()), f"{secret} in {name}"


def test_one_line_of_a_hidden_test_is_enough(tmp_path: Path) -> None:
    hidden = next(one for one in secrets() if one.kind == "HIDDEN TESTS" and len(one.telling) > 1)
    (tmp_path / "notes.py").write_text(f"def check():\n    {hidden.telling[-1]}  # as graded\n")
    assert hidden in search(tmp_path)["notes.py"]


def test_it_has_what_students_need_and_nothing_of_an_instructors(unpacked: Path) -> None:
    there = {path.name for path in unpacked.iterdir()}
    assert there == {*edition.PARTS, "assignments"}
    assert not there & {"solutions", "tests", "submitted", "gradebook.db", "nbgrader_config.py"}
    assert sorted(path.name for path in (unpacked / "assignments").iterdir()) == ASSIGNMENTS


def test_all_links_of_its_readme_lead_somewhere(unpacked: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (unpacked / "README.md").read_text())
    assert len(links) > 20
    assert [link for link in links if not (unpacked / link).exists()] == []


def lab(unpacked: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the edition, as bin/lab does."""
    return subprocess.run(
        [sys.executable, "-m", "lab", *arguments],
        cwd=unpacked,
        env={**os.environ, "PYTHONPATH": str(unpacked), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", NEED_MORE)
def test_command_that_needs_more_says_so(unpacked: Path, command: str) -> None:
    done = lab(unpacked, *command.split())
    assert done.returncode == 1
    assert "This is the students' edition of the course" in done.stderr
    assert "Try: run it in the instructor's checkout" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["--help", "grade --help", "licenses", "--version"])
def test_other_commands_work(unpacked: Path, command: str) -> None:
    done = lab(unpacked, *command.split())
    assert (done.returncode, done.stderr) == (0, "")


def test_own_work_cannot_be_checked_in_it_and_validate_is_named(unpacked: Path) -> None:
    done = lab(unpacked, "check", "01-containers")
    assert done.returncode == 1
    assert "Try: press Validate" in done.stderr
    assert "Traceback" not in done.stderr


def test_work_is_handed_in_from_it(unpacked: Path, tmp_path: Path) -> None:
    (tmp_path / "assignments").symlink_to(unpacked / "assignments")
    done = lab(
        unpacked, "submit", "01-containers", "--student", "ada", "--workspace", str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    assert [path.suffix for path in (tmp_path / "hand-in").iterdir()] == [".zip"]
