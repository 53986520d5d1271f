"""What counts as done, and what the file in the workspace remembers of it."""

import json
import os
import threading
from pathlib import Path

import pytest

from grader.startpage import progress
from grader.startpage.notebooks import read_notebook, read_notebooks
from grader.startpage.progress import PROGRESS, Progress, is_done, keep, keep_checks, load, state

from .workspaces import exercise, lesson, write

LESSON = "course/01-first.ipynb"
EXERCISE = "assignments/01-try/01-try.ipynb"


def words(workspace: Path, path: str) -> str:
    """What the page would say of a notebook, once it has read the workspace."""
    kept = keep(workspace, read_notebooks(workspace))
    return state(read_notebook(workspace, path), kept.get(path, Progress()))


def test_a_lesson_is_not_begun_begun_and_done(tmp_path: Path) -> None:
    write(tmp_path, LESSON, lesson(1), ("A", [False]), ("B", [False, False]))
    assert words(tmp_path, LESSON) == "not begun"
    write(tmp_path, LESSON, lesson(1), ("A", [False]), ("B", [True, False]))
    assert words(tmp_path, LESSON) == "begun: 0 of 2 sections run"
    write(tmp_path, LESSON, lesson(1), ("A", [True]), ("B", [True, False]))
    assert words(tmp_path, LESSON) == "begun: 1 of 2 sections run"
    write(tmp_path, LESSON, lesson(1), ("A", [True]), ("B", [True, True]))
    assert words(tmp_path, LESSON) == "done"


def test_cleared_outputs_take_nothing_back(tmp_path: Path) -> None:
    write(tmp_path, LESSON, lesson(1), ("A", [True]), ("B", [False]))
    words(tmp_path, LESSON)
    write(tmp_path, LESSON, lesson(1), ("A", [False]), ("B", [False]))
    assert words(tmp_path, LESSON) == "begun: 1 of 2 sections run"
    write(tmp_path, LESSON, lesson(1), ("A", [False]), ("B", [True]))
    assert words(tmp_path, LESSON) == "done"


def test_a_done_lesson_stays_done_when_an_update_adds_a_section(tmp_path: Path) -> None:
    write(tmp_path, LESSON, lesson(1), ("A", [True]))
    words(tmp_path, LESSON)
    write(tmp_path, LESSON, lesson(1), ("A", [False]), ("New", [False]))
    assert words(tmp_path, LESSON) == "done"


def test_a_begun_lesson_counts_the_sections_that_it_has_now(tmp_path: Path) -> None:
    write(tmp_path, LESSON, lesson(1), ("Old", [True]), ("B", [False]))
    words(tmp_path, LESSON)
    write(tmp_path, LESSON, lesson(1), ("Renamed", [True]), ("B", [False]), ("C", [False]))
    assert words(tmp_path, LESSON) == "begun: 1 of 3 sections run"


def test_a_lesson_that_is_away_for_a_while_is_still_done(tmp_path: Path) -> None:
    target = write(tmp_path, LESSON, lesson(1), ("A", [True]))
    words(tmp_path, LESSON)
    target.unlink()
    assert LESSON in keep(tmp_path, read_notebooks(tmp_path))
    write(tmp_path, LESSON, lesson(1), ("A", [False]))
    assert words(tmp_path, LESSON) == "done"


def test_a_broken_notebook_is_not_done_and_loses_nothing(tmp_path: Path) -> None:
    target = write(tmp_path, LESSON, lesson(1), ("A", [True]), ("B", [False]))
    words(tmp_path, LESSON)
    target.write_text("broken")
    assert not keep(tmp_path, read_notebooks(tmp_path))[LESSON].done
    write(tmp_path, LESSON, lesson(1), ("A", [False]), ("B", [False]))
    assert words(tmp_path, LESSON) == "begun: 1 of 2 sections run"


def test_an_exercise_is_begun_validated_and_submitted(tmp_path: Path) -> None:
    write(tmp_path, EXERCISE, exercise(1, "lesson 01"), ("A", [True]))
    notebook = read_notebook(tmp_path, EXERCISE)
    assert words(tmp_path, EXERCISE) == "begun: 1 of 1 sections run"
    keep_checks(tmp_path, EXERCISE, passed=2, checks=3)
    assert words(tmp_path, EXERCISE) == "validated: 2 of 3 checks passed"
    assert not is_done(notebook, load(tmp_path)[EXERCISE])
    keep(tmp_path, [], submitted=[])
    kept = keep(tmp_path, [notebook], submitted=[EXERCISE])[EXERCISE]
    assert state(notebook, kept) == "submitted, validated: 2 of 3 checks passed"
    assert is_done(notebook, kept)


def test_what_was_submitted_stays_submitted(tmp_path: Path) -> None:
    write(tmp_path, EXERCISE, exercise(1, "lesson 01"), ("A", [False]))
    keep(tmp_path, read_notebooks(tmp_path), submitted=[EXERCISE])
    assert words(tmp_path, EXERCISE) == "submitted"


@pytest.mark.parametrize(
    "content",
    [
        "{ not json",
        "[" * 100_000,
        "[]",
        json.dumps({LESSON: 7}),
        json.dumps({LESSON: {"sections": 7}}),
        json.dumps({LESSON: {"sections": [7]}}),
        json.dumps({LESSON: {"sections": ["A"], "of another version": 1}}),
        json.dumps({LESSON: {"passed": "many"}}),
    ],
)
def test_a_damaged_file_counts_as_not_begun(content: str, tmp_path: Path) -> None:
    (tmp_path / PROGRESS).write_text(content)
    write(tmp_path, LESSON, lesson(1), ("A", [False]))
    assert words(tmp_path, LESSON) == "not begun"


def test_only_what_changes_is_written(tmp_path: Path) -> None:
    write(tmp_path, LESSON, lesson(1), ("A", [False]))
    words(tmp_path, LESSON)
    assert not (tmp_path / PROGRESS).exists()
    write(tmp_path, LESSON, lesson(1), ("A", [True]))
    words(tmp_path, LESSON)
    written = (tmp_path / PROGRESS).stat()
    words(tmp_path, LESSON)
    assert (tmp_path / PROGRESS).stat().st_ino == written.st_ino


def test_the_file_has_titles_and_numbers_but_no_cell(tmp_path: Path) -> None:
    write(tmp_path, LESSON, lesson(1), ("A", [True]))
    words(tmp_path, LESSON)
    assert "echo" not in (tmp_path / PROGRESS).read_text()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_the_file_belongs_to_the_student(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    keep_checks(tmp_path, EXERCISE, passed=1, checks=1)
    assert (tmp_path / PROGRESS).stat().st_uid == 12345


def test_several_at_once_lose_nothing(tmp_path: Path) -> None:
    paths = [f"assignments/{number:02}-x/{number:02}-x.ipynb" for number in range(16)]

    def validate(path: str) -> None:
        keep_checks(tmp_path, path, passed=1, checks=1)

    threads = [threading.Thread(target=validate, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(progress.load(tmp_path)) == paths
