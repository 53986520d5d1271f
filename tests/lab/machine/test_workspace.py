"""The student's folder: brought up to date, never at the cost of work."""

import json
import os
import shutil
from pathlib import Path

import pytest

from grader.startpage.progress import PROGRESS
from lab.course import RECORD
from lab.errors import LabError
from lab.machine import workspace

ME = (os.getuid(), os.getgid())


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small checkout with one lesson and one exercise."""
    for name, text in {
        "course/01.ipynb": "one",
        "course/apps/web/app.js": "app",
        "assignments/a/a.ipynb": "exercise",
    }.items():
        path = tmp_path / "checkout" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    monkeypatch.setattr(workspace, "ROOT", tmp_path / "checkout")
    return tmp_path / "checkout"


@pytest.fixture
def folder(tmp_path: Path, course: Path) -> Path:
    """A workspace that was made from it."""
    workspace.update(tmp_path / "work", ME)
    return tmp_path / "work"


def test_first_time_brings_lessons_exercises_and_the_assignment_list(folder: Path) -> None:
    assert (folder / "course/01.ipynb").read_text() == "one"
    assert (folder / "assignments/a/a.ipynb").read_text() == "exercise"
    assert (folder / workspace.EXCHANGE / "outbound/a/a.ipynb").is_file()
    assert (folder / workspace.EXCHANGE / "inbound").is_dir()


@pytest.mark.parametrize("name", ["course/coverage.toml", "course/notes.md", "course/skills.toml"])
def test_what_is_for_who_writes_lessons_stays_in_the_checkout(
    course: Path, folder: Path, name: str
) -> None:
    (course / name).write_text("")
    workspace.update(folder, ME)
    assert not (folder / name).exists()


def test_an_exercise_can_have_a_file_of_such_a_name(course: Path, folder: Path) -> None:
    (course / "assignments/a/notes.md").write_text("Copy me into the image.")
    workspace.update(folder, ME)
    assert (folder / "assignments/a/notes.md").is_file()


def test_lessons_come_without_the_answers_to_their_predictions(course: Path, folder: Path) -> None:
    cell = {
        "cell_type": "code",
        "source": "1+1",
        "outputs": [{"output_type": "stream", "text": "2"}],
        "execution_count": 3,
    }
    (course / "course/02.ipynb").write_text(
        json.dumps({"cells": [cell, {"cell_type": "markdown", "source": "é"}]})
    )
    workspace.update(folder, ME)
    copied = json.loads((folder / "course/02.ipynb").read_text())["cells"]
    assert copied == [
        {**cell, "outputs": [], "execution_count": None},
        {"cell_type": "markdown", "source": "é"},
    ]


def test_second_time_changes_nothing(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.ipynb")}
    done = workspace.update(folder, ME)
    assert (done.added, done.updated, done.kept) == ([], [], [])
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*.ipynb")}


def test_untouched_lesson_is_updated(course: Path, folder: Path) -> None:
    (course / "course/01.ipynb").write_text("one, better")
    assert workspace.update(folder, ME).updated == ["course/01.ipynb"]
    assert (folder / "course/01.ipynb").read_text() == "one, better"


def test_work_is_never_overwritten(course: Path, folder: Path) -> None:
    (folder / "course/01.ipynb").write_text("my notes")
    (course / "course/01.ipynb").write_text("one, better")
    assert workspace.update(folder, ME).kept == ["course/01.ipynb"]
    assert (folder / "course/01.ipynb").read_text() == "my notes"


def test_a_lost_record_counts_everything_as_work(course: Path, folder: Path) -> None:
    (folder / RECORD).write_text("{ not json")
    (course / "course/01.ipynb").write_text("one, better")
    assert workspace.update(folder, ME).kept == ["course/01.ipynb"]


def test_a_lost_record_still_names_the_course_s_files(course: Path, folder: Path) -> None:
    (folder / RECORD).unlink()
    (folder / "course/01.ipynb").write_text("my notes")
    workspace.update(folder, ME)
    assert "course/01.ipynb" in json.loads((folder / RECORD).read_text())
    (course / "course/01.ipynb").write_text("one, better")
    assert workspace.update(folder, ME).kept == ["course/01.ipynb"]


def test_progress_outlives_an_update(course: Path, folder: Path) -> None:
    (folder / PROGRESS).write_text("{}")
    (course / "course/01.ipynb").write_text("one, better")
    assert workspace.update(folder, ME).updated == ["course/01.ipynb"]
    assert (folder / PROGRESS).read_text() == "{}"


def test_deleted_lesson_comes_back(folder: Path) -> None:
    (folder / "course/01.ipynb").unlink()
    assert workspace.update(folder, ME).added == ["course/01.ipynb"]


def test_links_in_the_workspace_are_never_written_through(
    course: Path, folder: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "01.ipynb").write_text("not the course's")
    (outside / "apps/web").mkdir(parents=True)
    shutil.rmtree(folder / "course")
    (folder / "course").symlink_to(outside)
    (course / "course/01.ipynb").write_text("one, better")
    workspace.update(folder, ME)
    assert (outside / "01.ipynb").read_text() == "not the course's"
    assert list((outside / "apps/web").iterdir()) == []


def test_a_file_in_place_of_the_workspace_is_named(course: Path, tmp_path: Path) -> None:
    (tmp_path / "work").write_text("a file")
    with pytest.raises(LabError, match="is a file"):
        workspace.update(tmp_path / "work", ME)


def test_record_names_what_was_put_there(folder: Path) -> None:
    assert sorted(json.loads((folder / RECORD).read_text())) == [
        f"{workspace.EXCHANGE}/outbound/a/a.ipynb",
        "assignments/a/a.ipynb",
        "course/01.ipynb",
        "course/apps/web/app.js",
    ]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_files_belong_to_the_student_when_root_runs_it(course: Path, tmp_path: Path) -> None:
    workspace.update(tmp_path / "theirs", (12345, 12345))
    assert {path.lstat().st_uid for path in (tmp_path / "theirs").rglob("*")} == {12345}
