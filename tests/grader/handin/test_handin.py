"""From a student's folder to the tree that is graded: `lab submit`, and a round trip through `lab
collect`.
"""

import io
import json
import os
import shutil
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from grader.archive import UntrustedError
from grader.commands.submit import submit_command
from grader.handin.manifest import Manifest, student_name
from grader.handin.submit import is_submitted
from lab.cli import main
from lab.errors import LabError

from .handins import BOOK, FIXTURE, NOON, answered, collect, hand_in, tree


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course with released assignments and a student's workspace."""
    shutil.copytree(FIXTURE / "assignments", tmp_path / "course/assignments")
    shutil.copytree(FIXTURE / "assignments", tmp_path / "workspace/assignments")
    return tmp_path / "course"


@pytest.fixture
def workspace(course: Path) -> Path:
    return course.parent / "workspace"


def submit(workspace: Path, *arguments: str) -> Result:
    options = ["--workspace", str(workspace), "--course", str(workspace.parent / "course")]
    return CliRunner().invoke(submit_command, [*arguments, *options])


def test_a_workspace_without_exercises_is_told_how_to_get_them(workspace: Path) -> None:
    shutil.rmtree(workspace / "assignments")
    error = submit(workspace, "01-boxes", "--student", "ada").exception
    assert isinstance(error, LabError)
    assert error.hint.startswith("bin/lab up")


def test_round_trip_gives_the_tree_that_nbgrader_grades(course: Path, workspace: Path) -> None:
    (workspace / "assignments/01-boxes" / BOOK).write_bytes(answered())
    (workspace / "assignments/01-boxes/app").mkdir()
    (workspace / "assignments/01-boxes/app/Dockerfile").write_text("FROM busybox\n")
    before = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    assert submit(workspace, "01-boxes", "--student", "ada").exit_code == 0
    [outcome] = collect(course, *(workspace / "hand-in").iterdir())
    assert (outcome["status"], outcome["student"], outcome["assignment"]) == (
        "collected",
        "ada",
        "01-boxes",
    )
    there = course / "submitted/ada/01-boxes"
    assert tree(there) == [BOOK, "app/Dockerfile", "start.sh", "timestamp.txt"]
    assert (there / BOOK).read_bytes() == answered()

    from nbgrader.converters import Autograde
    from nbgrader.coursedir import CourseDirectory

    directory = CourseDirectory(root=str(course), assignment_id="01-boxes")
    converter = Autograde(coursedir=directory)
    converter.init_notebooks()
    assert converter.assignments == {str(there): [str(there / BOOK)]}
    time = directory.get_existing_timestamp(str(there))
    assert time is not None
    assert before - timedelta(seconds=1) <= time <= before + timedelta(minutes=5)


def test_what_was_submitted_is_known_by_its_name(workspace: Path) -> None:
    assert not is_submitted(workspace, "01-boxes")
    submit(workspace, "01-boxes", "--student", "ada")
    (workspace / ".exchange/course/inbound/ada+02-ports+2026-01-01 12:00:00 UTC").mkdir(
        parents=True
    )
    names = ("01-boxes", "02-ports", "boxes-01", "01", "*")
    assert [is_submitted(workspace, name) for name in names] == [True, True, False, False, False]


def test_submit_button_copy_is_packed_and_collected(course: Path, workspace: Path) -> None:
    inbound = workspace / ".exchange/course/inbound"
    for stamp, text in (
        ("2025-11-24 09:00:00.000001 UTC", "FROM old"),
        ("2025-11-24 10:00:00.000001 UTC", "FROM new"),
    ):
        folder = inbound / f"student+01-boxes+{stamp}+c2VjcmV0-_"
        folder.mkdir(parents=True)
        (folder / BOOK).write_bytes(answered(text))
        (folder / "timestamp.txt").write_text(stamp)
        (folder / "submission_secret.txt").write_text("s")
    assert [one["reason"] for one in collect(course, inbound)] == [
        "nothing says whose it is: use --student NAME"
    ] * 2
    assert submit(workspace, "01-boxes", "--student", "ada", "--from-exchange").exit_code == 0
    [packed] = collect(course, workspace / "hand-in")
    assert (packed["student"], packed["time"]) == ("ada", "2025-11-24T10:00:00+00:00")
    assert (course / "submitted/ada/01-boxes" / BOOK).read_bytes() == answered("FROM new")
    assert [(one["student"], one["status"]) for one in collect(course, inbound)] == [
        ("ada", "earlier"),
        ("ada", "unchanged"),
    ]
    assert tree(course / "submitted/ada/01-boxes") == [BOOK, "timestamp.txt"]


def test_the_name_is_remembered_and_asked_for_when_unknown(workspace: Path) -> None:
    nameless = submit(workspace, "01-boxes")
    assert isinstance(nameless.exception, LabError)
    assert "--student NAME" in nameless.exception.hint
    assert submit(workspace, "01-boxes", "--student", " Ada Lovelace ").exit_code == 0
    again = submit(workspace, "02-ports")
    assert "by Ada-Lovelace are ready" in again.output
    assert (workspace / ".student").read_text() == "Ada-Lovelace\n"


@pytest.mark.parametrize("typed", ["bin/lab", "lab"])
def test_hint_names_the_command_that_is_there(typed: str, workspace: Path) -> None:
    arguments = ["submit", "01-boxes", "--workspace", str(workspace)]
    arguments += ["--course", str(workspace.parent)]
    shown = CliRunner().invoke(main, arguments, prog_name=typed)
    assert f"Try: {typed} submit ASSIGNMENT --student NAME" in shown.output + shown.stderr


def test_unanswered_and_missing_cells_are_mentioned_not_refused(workspace: Path) -> None:
    result = submit(workspace, "01-boxes", "--student", "ada")
    assert result.exit_code == 0
    assert "has no answers yet" in result.stderr
    book = workspace / "assignments/01-boxes" / BOOK
    content = json.loads(answered())
    del content["cells"][2]
    book.write_text(json.dumps(content))
    result = submit(workspace, "01-boxes")
    assert result.exit_code == 0
    assert "has no answers" not in result.stderr
    assert "lacks cells of the assignment, which then earn nothing: recipe_test" in result.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "it is not in"),
        (b"", "not a notebook"),
        (b'{"cells": [', "not a notebook"),
        (b"[1]", "not a notebook"),
    ],
)
def test_without_a_readable_notebook_nothing_is_packed(
    workspace: Path, content: bytes | None, message: str
) -> None:
    book = workspace / "assignments/01-boxes" / BOOK
    book.unlink()
    if content is not None:
        book.write_bytes(content)
    result = submit(workspace, "01-boxes", "--student", "ada")
    assert isinstance(result.exception, LabError)
    assert message in result.exception.what
    assert not (workspace / "hand-in").exists()


def test_an_unknown_assignment_names_those_there_are(workspace: Path) -> None:
    for name in ("09-none", "../assignments", "", "."):
        result = submit(workspace, name, "--student", "ada")
        assert isinstance(result.exception, LabError)
        assert "01-boxes, 02-ports" in result.exception.hint


def test_links_checkpoints_and_large_files_stay_out(workspace: Path) -> None:
    folder = workspace / "assignments/01-boxes"
    (folder / BOOK).write_bytes(answered())
    (folder / "keys").symlink_to("/etc/hostname")
    (folder / "app").symlink_to("/etc")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / BOOK).write_text("{}")
    (folder / "node_modules").mkdir()
    (folder / "node_modules/index.js").write_text("0")
    (folder / "dump.bin").write_bytes(b"0" * (1 << 20) + b"1")
    (folder / "scratch.ipynb").write_bytes(answered())
    result = submit(workspace, "01-boxes", "--student", "ada")
    [path] = (workspace / "hand-in").iterdir()
    assert zipfile.ZipFile(path).namelist() == [
        "manifest.json",
        f"01-boxes/{BOOK}",
        "01-boxes/start.sh",
    ]
    for told in (
        "keys is not handed in: a link",
        "app is not handed in: a link",
        "dump.bin is not handed in: larger than 1 MiB",
        "scratch.ipynb is not handed in: not a file of this assignment",
    ):
        assert told in result.stderr
    assert "checkpoints" not in result.stderr


def test_somebody_who_learns_alone_reads_how_to_grade_it(workspace: Path) -> None:
    result = submit(workspace, "01-boxes", "--student", "ada")
    assert "On your own machine, bin/lab check 01-boxes grades" in result.stderr


def test_a_linked_notebook_is_not_followed(workspace: Path) -> None:
    book = workspace / "assignments/01-boxes" / BOOK
    book.rename(workspace / "elsewhere.ipynb")
    book.symlink_to(workspace / "elsewhere.ipynb")
    result = submit(workspace, "01-boxes", "--student", "ada")
    assert isinstance(result.exception, LabError)
    assert "it is a link" in result.exception.what


def test_the_file_to_hand_in_belongs_to_the_workspace_and_has_a_plain_name(workspace: Path) -> None:
    if os.geteuid() == 0:
        os.chown(workspace, 1234, 1234)
    submit(workspace, "01-boxes", "--student", "Zoë")
    [path] = (workspace / "hand-in").iterdir()
    assert path.name.startswith("Zoe-01-boxes-20")
    assert path.name.isascii()
    assert {one.stat().st_uid for one in (path, path.parent, workspace / ".student")} == {
        workspace.stat().st_uid
    }


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("ada", "ada"),
        (" Ada  Lovelace ", "Ada-Lovelace"),
        ("Zoe\u0308", "Zo\u00eb"),
        ("張偉", "張偉"),
        ("अदिति", "अदिति"),
        ("s123@uni.example", "s123@uni.example"),
        ("1815", "1815"),
        ("a" * 64, "a" * 64),
    ],
)
def test_names_that_are_taken(given: str, name: str) -> None:
    assert student_name(given) == name
    assert student_name(name) == name


@pytest.mark.parametrize(
    "given",
    [
        "",
        " ",
        ".",
        "..",
        "../x",
        "a/b",
        "a\\b",
        "/etc",
        "-rf",
        ".hidden",
        "_x",
        "a.",
        "a\nb",
        "a\tb",
        "a\x00b",
        "a\x1b[2J",
        "<script>",
        "a+b",
        "a*b",
        "a" * 65,
        "\U00020000" * 64,
        "a\u202eb",
        "a\ud800",
        "~root",
        "$HOME",
        "a;b",
        "'",
        "\u0301a",
    ],
)
def test_names_that_are_refused(given: str) -> None:
    with pytest.raises(UntrustedError):
        student_name(given)


def test_a_manifest_survives_its_own_json() -> None:
    manifest = Manifest("Zoë", "01-boxes", NOON, {BOOK: "0" * 64})
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert zipfile.ZipFile(io.BytesIO(hand_in("ada"))).testzip() is None
