"""One's own work is graded for real, and leaves no trace where a class is graded."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import docker
import nbformat
import pytest

from grader.course import Course
from grader.exercise.release import generate
from grader.gradebook.journal import Journal, Refused
from grader.gradebook.record import ensure_assignment
from grader.handin.own_work import read_work
from grader.run.check import check
from grader.sandbox.containers import SandboxImage
from grader.sandbox.interface import SandboxLimits
from lab.course import ROOT, STATE
from lab.errors import LabError

from .submissions import Change, answers

FIXTURE = Path(__file__).parents[1] / "fixtures" / "course"
SAMPLE = "A process with a view of its own."


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course with a class: its gradebook, its journal, and all its folders."""
    root = tmp_path_factory.mktemp("course")
    shutil.copytree(FIXTURE / "solutions", root / "solutions")
    generate(root, "tiny", root / "assignments")
    course = Course(root)
    ensure_assignment(course, "tiny")
    Journal(root / "gradebook.db.journal").refuse("tiny", "ada", Refused("work", "malformed", "no"))
    for folder in ("submitted", "autograded", "feedback"):
        path = course.folder(folder, "tiny", "ada") / "tiny.txt"
        path.parent.mkdir(parents=True)
        path.write_text("It is of the class.")
    return course


@pytest.fixture
def workspace(course: Course, tmp_path: Path) -> Path:
    """A student's folder with the exercise as it was released."""
    shutil.copytree(course.root / "assignments", tmp_path / "workspace" / "assignments")
    return tmp_path / "workspace"


def answer(workspace: Path, change: Change) -> None:
    path = workspace / "assignments" / "tiny" / "tiny.ipynb"
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    nbformat.write(notebook, path)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


@dataclass(frozen=True)
class Ran:
    """What a run of the command printed, and the address that it opened."""

    out: str
    err: str
    opened: str


@pytest.fixture
def run(course: Course, workspace: Path, place: SandboxImage, tmp_path: Path) -> Iterator["Run"]:
    yield Run(course, workspace, place, tmp_path)
    shutil.rmtree(STATE / "check" / "tiny", ignore_errors=True)


class Run:
    """``bin/lab check`` as a process, before a screen with a browser."""

    def __init__(self, course: Course, workspace: Path, place: SandboxImage, folder: Path) -> None:
        self.course, self.workspace, self.place, self.folder = course, workspace, place, folder

    def __call__(self, *options: str) -> Ran:
        browser, opened = self.folder / "browser", self.folder / "opened"
        browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
        browser.chmod(0o755)
        screen = {"DISPLAY": ":0", "BROWSER": str(browser)}
        where = ["--workspace", str(self.workspace), "--course", str(self.course.root)]
        done = subprocess.run(
            [sys.executable, "-m", "lab", "check", "tiny", *where, *options],
            cwd=ROOT,
            env={**os.environ, **screen, "NO_COLOR": "1", "LAB_SANDBOX_IMAGE": self.place.image},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return Ran(done.stdout, done.stderr, opened.read_text() if opened.exists() else "")


@pytest.mark.machine
@pytest.mark.grading
def test_right_work_earns_all_points_and_a_page_and_leaves_the_class_as_it_was(
    run: Run, course: Course, workspace: Path
) -> None:
    answer(workspace, answers(q3="A program that believes it is alone."))
    before = contents(course.root), contents(workspace)
    ran = run("--no-browser")
    assert (contents(course.root), contents(workspace)) == before
    assert ran.out.splitlines()[-2].split() == ["all", "questions", "8", "of", "8", "2"]
    page = Path(ran.out.splitlines()[-1])
    assert SAMPLE in page.read_text()
    assert "A program that believes it is alone." in page.read_text()
    assert ran.opened == ""


@pytest.mark.machine
@pytest.mark.grading
def test_wrong_answer_says_what_failed_in_three_lines_and_opens_the_page(
    run: Run, workspace: Path
) -> None:
    answer(workspace, answers(q1="!docker run -d --name web busybox true", q3="YOUR ANSWER HERE"))
    ran = run()
    assert ran.out.splitlines()[1].split() == ["tiny", "5", "of", "10"]
    failed = ran.out.partition("✗ The container `web` is running (0 of 3)\n")[2].splitlines()
    assert [line.split()[0] for line in failed[1:3]] == ["Expected:", "Try:"]
    page = Path(ran.out.splitlines()[-1])
    assert ran.opened.strip() == page.as_uri()
    # a sample answer is for those who have tried
    assert "✗ Your answer in words (0 of 2)" in ran.out
    assert SAMPLE not in page.read_text()


@pytest.mark.machine
@pytest.mark.grading
def test_json_is_the_document_of_grade_with_the_pages(run: Run, workspace: Path) -> None:
    answer(workspace, answers())
    ran = run("--json")
    document = json.loads(ran.out)
    [submission] = document["submissions"]
    assert (submission["status"], submission["points"]) == ("graded", 8)
    assert [Path(page).name for page in document["pages"]] == ["tiny.html"]
    assert ran.opened == ""


@pytest.mark.machine
@pytest.mark.grading
def test_work_that_could_not_be_graded_is_an_error(
    course: Course,
    workspace: Path,
    client: docker.DockerClient,
    place: SandboxImage,
    tmp_path: Path,
) -> None:
    answer(workspace, answers())
    limits = replace(SandboxLimits(), grading_seconds=0.01)
    with pytest.raises(LabError, match="tiny was not graded: Grading it took more than"):
        check(course, read_work(course, workspace, "tiny"), tmp_path / "p", client, place, limits)
    assert not (tmp_path / "p").exists()


def test_copy_without_solutions_names_validate(workspace: Path) -> None:
    answer(workspace, answers())
    with pytest.raises(LabError, match="hidden tests are in solutions/") as error:
        read_work(Course(workspace), workspace, "tiny")
    assert "Validate" in error.value.hint


@pytest.mark.parametrize("name", [None, "big", "", ".", "../assignments"])
def test_name_that_is_missing_or_unknown_gives_the_names(
    course: Course, workspace: Path, name: str | None
) -> None:
    with pytest.raises(LabError) as error:
        read_work(course, workspace, name)
    assert error.value.hint.rstrip(".").endswith(": tiny")


def test_exercise_that_the_course_has_no_tests_of_is_named(course: Course, workspace: Path) -> None:
    (workspace / "assignments" / "mine").mkdir()
    with pytest.raises(LabError, match="mine cannot be graded here"):
        read_work(course, workspace, "mine")


def test_work_as_it_was_released_is_not_graded(course: Course, workspace: Path) -> None:
    with pytest.raises(LabError, match="tiny has no answers yet") as error:
        read_work(course, workspace, "tiny")
    assert "save the notebook" in error.value.hint


def test_file_next_to_an_untouched_notebook_is_an_answer(course: Course, workspace: Path) -> None:
    (workspace / "assignments" / "tiny" / "Dockerfile").write_text("FROM busybox\n")
    work = read_work(course, workspace, "tiny")
    assert set(work.files) == {"tiny.ipynb", "Dockerfile"}
    assert "has no answers yet" in work.warnings[0]
