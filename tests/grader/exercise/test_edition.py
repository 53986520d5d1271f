"""`lab release --edition`: the course in one file, with nothing in it that only instructors may
read.
"""

import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from grader.commands.release import release_command
from lab.errors import LabError

from ...checkouts import track

FIXTURE = Path(__file__).parents[1] / "fixtures" / "release"
TOP = "docker-kubernetes-course"
OF_STUDENTS = {
    "README.md": "# The course",
    "bin/lab": "#!/bin/sh",
    "course/01-first.ipynb": "{}",
    "lab/__init__.py": "",
}
TRACKED_AS_WELL = {
    "course/coverage.toml": "",
    ".github/workflows/test.yml": "",
    "nbgrader_config.py": "",
    "tests/wrong/01-boxes.toml": "answer = 'FROM busybox'",
}
LIES_THERE = {
    "course/answers.md": "the answers",
    "course/.ipynb_checkpoints/01-first-checkpoint.ipynb": "{}",
    "feedback/ada/01-boxes/01-boxes.html": "",
    "gradebook.db": "marks",
    "grader/mine.py": "",
    "solutions/01-boxes/answers.txt": "the answers",
    "solutions/09-exam/09-exam.ipynb": (
        FIXTURE / "solutions" / "02-ports" / "02-ports.ipynb"
    ).read_text(),
    "submitted/ada/01-boxes/01-boxes.ipynb": "{}",
    "workspace/hand-in/ada.zip": "",
}
EXERCISES = [
    "assignments/01-boxes/01-boxes.ipynb",
    "assignments/01-boxes/start.sh",
    "assignments/02-ports/02-ports.ipynb",
]


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A small checkout, and in it what an instructor has lying there."""
    folder = tmp_path / "checkout"
    shutil.copytree(FIXTURE / "solutions", folder / "solutions")
    write(folder, {**OF_STUDENTS, **TRACKED_AS_WELL, ".gitignore": ".ipynb_checkpoints\n"})
    (folder / "bin/lab").chmod(0o755)
    track(folder)
    write(folder, LIES_THERE)
    return folder


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def run(course: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(
        release_command, [*map(str, arguments), "--course", str(course)], catch_exceptions=False
    )


def modes(file: Path) -> dict[str, int]:
    """The permissions of all that is packed, by path."""
    if file.name.endswith(".zip"):
        with zipfile.ZipFile(file) as archive:
            return {one.filename: one.external_attr >> 16 for one in archive.infolist()}
    with tarfile.open(file) as archive:
        return {one.name: one.mode for one in archive.getmembers()}


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_edition_holds_what_students_get_and_git_tracks(course: Path, ending: str) -> None:
    file = course.parent / f"edition{ending}"
    result = run(course, "--edition", file)
    assert result.exit_code == 0
    assert list(modes(file)) == [f"{TOP}/{name}" for name in sorted([*OF_STUDENTS, *EXERCISES])]


def test_what_git_does_not_track_is_named(course: Path) -> None:
    said = run(course, "--edition", course.parent / "edition.zip").stderr.splitlines()
    assert [line.rpartition(": ")[2] for line in said] == [
        "course/answers.md",
        "grader/",
        "solutions/01-boxes/answers.txt",
        "solutions/09-exam/",
    ]


def test_exercises_are_those_that_solutions_give_now(course: Path) -> None:
    write(course, {"assignments/01-boxes/01-boxes.ipynb": "an older version"})
    file = course.parent / "edition.zip"
    assert "released assignments/01-boxes/01-boxes.ipynb" in run(course, "--edition", file).output
    with zipfile.ZipFile(file) as archive:
        for name in EXERCISES:
            assert archive.read(f"{TOP}/{name}") == (FIXTURE / name).read_bytes()


def test_only_the_named_exercises_are_packed(course: Path) -> None:
    file = course.parent / "edition.zip"
    run(course, "02-ports", "--edition", file)
    assert [name for name in modes(file) if "/assignments/" in name] == [f"{TOP}/{EXERCISES[2]}"]


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_same_files_give_the_same_bytes(course: Path, ending: str) -> None:
    first, second = (course.parent / f"{name}{ending}" for name in ("first", "second"))
    run(course, "--edition", first)
    elsewhere = course.rename(course.with_name("elsewhere"))
    for path in elsewhere.rglob("*"):
        if path.is_file():
            os.utime(path, (1, 1))
            path.chmod(path.stat().st_mode & 0o700)
    run(elsewhere, "--edition", second)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_programs_stay_executable(course: Path, ending: str) -> None:
    file = course.parent / f"edition{ending}"
    run(course, "--edition", file)
    assert {name for name, mode in modes(file).items() if mode & 0o111} == {
        f"{TOP}/assignments/01-boxes/start.sh",
        f"{TOP}/bin/lab",
    }


@pytest.mark.parametrize("name", ["edition.rar", "edition.tar", "zip", "edition.tgz"])
def test_other_endings_are_refused_before_anything_changes(course: Path, name: str) -> None:
    with pytest.raises(LabError, match=r"has to end with \.zip or \.tar\.gz"):
        run(course, "--edition", course.parent / name)
    assert not (course / "assignments").exists()
    assert not (course.parent / name).exists()


def test_check_changes_nothing_so_it_packs_nothing(course: Path) -> None:
    result = run(course, "--check", "--edition", course.parent / "edition.zip")
    assert result.exit_code == 2
    assert "--check changes nothing" in result.output


def test_where_git_does_not_know_the_course_nothing_is_packed(course: Path) -> None:
    shutil.rmtree(course / ".git")
    file = course.parent / "edition.zip"
    with pytest.raises(LabError, match=r"(?s)Only git knows .*Try: .*git clone"):
        run(course, "--edition", file)
    # as in a folder of somebody's own repository
    subprocess.run(["git", "init", "--quiet"], cwd=course.parent, check=True)
    with pytest.raises(LabError, match=r"git tracks no bin/lab there.*\nTry: .*git clone"):
        run(course, "--edition", file)
    assert not file.exists()


def test_a_link_is_not_followed_out_of_the_course(course: Path) -> None:
    (course / "course/marks").symlink_to(course / "gradebook.db")
    track(course)
    file = course.parent / "edition.zip"
    with pytest.raises(LabError, match=r"course/marks is a link"):
        run(course, "--edition", file)
    assert not file.exists()


def test_a_faulty_source_leaves_the_older_file_as_it_is(course: Path) -> None:
    file = course.parent / "edition.zip"
    run(course, "--edition", file)
    before = file.read_bytes()
    (course / "solutions/02-ports/02-ports.ipynb").write_text("not a notebook")
    with pytest.raises(LabError, match="is not a notebook"):
        run(course, "--edition", file)
    assert file.read_bytes() == before


def test_a_folder_that_does_not_exist_is_said(course: Path) -> None:
    with pytest.raises(LabError, match=r"cannot be written to .*No such file"):
        run(course, "--edition", course.parent / "nowhere" / "edition.zip")
