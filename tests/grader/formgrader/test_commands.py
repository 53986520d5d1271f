"""nbgrader's own commands in the course's folder: those that bin/lab does the work of refuse in a
sentence, and change nothing.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from grader.course import Course
from grader.formgrader import refusals

from ...conftest import ROOT
from .courses import EXERCISE, grade, make_course

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    made = make_course(tmp_path_factory.mktemp("commands"))
    grade(made, "ada", "SIGTERM asks.")
    return made


def contents(folder: Path) -> dict[str, bytes]:
    """All files but the database, which nbgrader opens."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if not path.name.startswith(("gradebook.db", ".nbgrader"))
    }


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (f"autograde {EXERCISE} --force", refusals.SANDBOXES),
        (f"generate_feedback {EXERCISE} --force", refusals.PAGES),
        (f"generate_assignment {EXERCISE} --force", refusals.RELEASE),
        (f"release_assignment {EXERCISE}", refusals.RELEASE),
        (f"release_feedback {EXERCISE}", refusals.HAND_OUT),
        (f"collect {EXERCISE}", refusals.COLLECT),
        (f"zip_collect {EXERCISE}", refusals.COLLECT),
        ("export", refusals.EXPORT),
    ],
)
def test_refuses_in_a_sentence(command: str, sentence: str, course: Course) -> None:
    before = contents(course.root)
    done = subprocess.run(
        [str(Path(sys.executable).with_name("nbgrader")), *command.split()],
        cwd=course.root,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert contents(course.root) == before
