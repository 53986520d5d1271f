"""A class in mid-term is updated: what version 0.1.0 left is opened by this one, and nothing is
lost.

``tests/fixtures/course-0.1.0`` was made by that version (its ``make.py`` says how).
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from nbgrader.api import Gradebook

from grader.run.results import last_results
from lab.cli import main
from lab.course import ROOT
from lab.errors import LabError
from lab.machine import workspace
from lab.machine.host import ensure_engine
from lab.version import version

FIXTURE = ROOT / "tests/fixtures/course-0.1.0"
STUDENTS = ["ada", "ben", "cleo"]
BEFORE: list[dict[str, Any]] = json.loads((FIXTURE / "results.json").read_text())["submissions"]
FILES = ("gradebook.db", "gradebook.db.journal", "gradebook.db.released.json")
STAY = "3 graded by version 0.1.0, and unchanged: their results stay"
ANEW = "unchanged, but what judges them is not"


@pytest.fixture
def course(tmp_path: Path) -> Path:
    return shutil.copytree(FIXTURE / "course", tmp_path / "course")


def content(file: Path) -> object:
    """What is in a file; of a database its rows, whatever its pages look like."""
    if ".json" in file.suffixes:
        return file.read_text()
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return list(database.iterdump())


def marks_by_hand(course: Path) -> dict[tuple[str, str], float]:
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        grades = [
            (student, grade)
            for student in STUDENTS
            for notebook in gradebook.find_submission("tiny", student).notebooks
            for grade in notebook.grades
        ]
        return {
            (student, grade.name): grade.manual_score
            for student, grade in grades
            if grade.manual_score is not None
        }


def results(course: Path) -> list[dict[str, Any]]:
    return [result.as_json() for result in last_results(course, "tiny")]


def test_results_and_marks_by_hand_are_what_they_were(course: Path) -> None:
    assert results(course) == BEFORE
    assert marks_by_hand(course) == {("ada", "q2-test"): 2.5, ("ada", "q3"): 1.5}
    assert [one["late_penalty"] > 0 for one in BEFORE] == [False, True, False]


def test_pages_keep_marks_and_comments_and_name_the_version(course: Path) -> None:
    done = CliRunner().invoke(main, ["feedback", "tiny", "--course", str(course)])
    assert done.exit_code == 0, done.output
    page = (course / "feedback/ada/tiny/tiny.html").read_text()
    assert "Which view? See lesson 02." in page
    assert "1.5 of 2" in page
    assert f"version {version()}" in page


def test_it_is_said_once_and_copies_stay(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last_results(course, "tiny")
    assert "was written by version 0.1.0" in " ".join(capsys.readouterr().err.split())
    for name in FILES:
        assert content(course / f"{name}.before-{version()}") == content(FIXTURE / "course" / name)
    last_results(course, "tiny")
    assert capsys.readouterr().err == ""


def test_a_run_that_was_interrupted_does_not_replace_the_first_copies(course: Path) -> None:
    copy = course / f"gradebook.db.before-{version()}"
    shutil.copy(course / "gradebook.db", copy)
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        gradebook.add_student("late-comer")
    last_results(course, "tiny")
    assert content(copy) == content(FIXTURE / "course/gradebook.db")


def change(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(statement)


@pytest.mark.parametrize(
    ("name", "statement", "said", "hint"),
    [
        ("gradebook.db.journal", "PRAGMA user_version = 99", "a newer version", "git pull"),
        ("gradebook.db", "UPDATE alembic_version SET version_num = 'x'", "a newer nb", "git pull"),
        (
            "gradebook.db",
            "UPDATE alembic_version SET version_num = '724cde206c17'",
            "an older nbgrader",
            "nbgrader db upgrade",
        ),
    ],
    ids=["a newer journal", "a newer nbgrader", "an older nbgrader"],
)
def test_what_this_version_does_not_know_is_refused_and_left_alone(
    course: Path, name: str, statement: str, said: str, hint: str
) -> None:
    change(course / name, statement)
    before = {path: path.read_bytes() for path in course.iterdir() if path.is_file()}
    with pytest.raises(LabError, match=said) as caught:
        last_results(course, "tiny")
    assert hint in caught.value.hint
    assert {path: path.read_bytes() for path in course.iterdir() if path.is_file()} == before


def test_a_new_gradebook_is_of_this_version(course: Path) -> None:
    for name in FILES:
        (course / name).unlink()
    assert last_results(course, "tiny") == []
    assert last_results(course, "tiny") == []
    assert [path.name for path in course.iterdir() if "before" in path.name] == []


def test_files_that_the_student_edited_are_kept_and_others_are_updated(tmp_path: Path) -> None:
    folder = shutil.copytree(FIXTURE / "workspace", tmp_path / "workspace")
    edited = ["assignments/01-containers/01-containers.ipynb", "course/apps/greeter/server.js"]
    before = {name: (folder / name).read_bytes() for name in edited}
    done = workspace.update(folder, (os.getuid(), os.getgid()))
    assert {name: (folder / name).read_bytes() for name in edited} == before
    assert sorted(set(done.kept) & set(edited)) == edited
    untouched = "course/02-how-docker-runs-a-container.ipynb"
    assert done.updated == [untouched]
    assert "overhear()" in (folder / untouched).read_text()


def grade(course: Path, *options: str) -> tuple[list[dict[str, Any]], str]:
    """A run of ``bin/lab grade``: its results, and what it said."""
    command = [sys.executable, "-m", "lab", "grade", "tiny", "--json", "--course", str(course)]
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "1000"}
    done = subprocess.run(
        [*command, *options], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    submissions: list[dict[str, Any]] = json.loads(done.stdout)["submissions"]
    return submissions, done.stderr


def points(submissions: list[dict[str, Any]]) -> dict[str, float]:
    return {one["student"]: one["points"] for one in submissions}


@pytest.fixture(scope="module")
def engine() -> None:
    ensure_engine()


@pytest.mark.machine
@pytest.mark.grading
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("engine")
class TestGrading:
    """The same with the engine that grades."""

    def test_nothing_is_graded_again_without_a_word(self, course: Path) -> None:
        written = {
            path: path.stat().st_mtime_ns for path in (course / "autograded").rglob("*.ipynb")
        }
        submissions, said = grade(course)
        assert submissions == BEFORE
        assert STAY in said
        assert "3 unchanged, 0 graded" in said
        assert {path: path.stat().st_mtime_ns for path in written} == written
        submissions, said = grade(course)
        assert submissions == BEFORE
        assert STAY not in said
        assert "3 unchanged, 0 graded" in said

    def test_other_limits_are_said_before_anything_is_graded_again(self, course: Path) -> None:
        submissions, said = grade(course, "--cell-seconds", "50", "--student", "ada")
        assert f"1 {ANEW}" in said
        assert "0 unchanged" not in said
        assert points(submissions)["ada"] == points(BEFORE)["ada"]
        assert marks_by_hand(course) == {("ada", "q2-test"): 2.5, ("ada", "q3"): 1.5}

    def test_another_exercise_is_said_before_anything_is_graded_again(self, course: Path) -> None:
        source = course / "solutions/tiny/tiny.ipynb"
        source.write_text(
            source.read_text().replace("The Dockerfile begins with", "It begins with")
        )
        submissions, said = grade(course)
        assert f"3 {ANEW}" in said
        assert STAY not in said
        assert points(submissions) == points(BEFORE)
        assert marks_by_hand(course) == {("ada", "q2-test"): 2.5, ("ada", "q3"): 1.5}

    def test_a_new_hand_in_is_graded_and_the_others_stay(self, course: Path) -> None:
        shutil.copy(course / "submitted/ada/tiny/tiny.ipynb", course / "submitted/cleo/tiny")
        submissions, said = grade(course)
        assert "2 graded by version 0.1.0" in said
        assert ANEW not in said
        assert "2 unchanged, 1 graded" in said
        assert [one for one in submissions if one["student"] != "cleo"] == BEFORE[:2]
        assert points(submissions)["cleo"] > points(BEFORE)["cleo"]
