"""From a student's folder to the tree that is graded: `lab submit`, then `lab collect`."""

import io
import json
import os
import shutil
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from grader import collect as collecting
from grader import submit as submitting
from grader.archive import RefusedError
from grader.handin import Manifest, described, pack, student_name
from lab.errors import LabError

FIXTURE = Path(__file__).parent / "fixtures" / "release"
BOOK = "01-boxes.ipynb"
NOON = datetime(2025, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course with released assignments and a student's workspace."""
    shutil.copytree(FIXTURE / "assignments", tmp_path / "course/assignments")
    shutil.copytree(FIXTURE / "assignments", tmp_path / "workspace/assignments")
    return tmp_path / "course"


@pytest.fixture
def workspace(course: Path) -> Path:
    return course.parent / "workspace"


@pytest.fixture
def inbox(course: Path) -> Path:
    folder = course.parent / "inbox"
    folder.mkdir()
    return folder


def answered(text: str = "FROM busybox") -> bytes:
    """The notebook of 01-boxes with its first answer filled in."""
    content = json.loads((FIXTURE / "assignments/01-boxes" / BOOK).read_text())
    content["cells"][1]["source"] = text
    return json.dumps(content).encode()


def hand_in(student: str, time: datetime = NOON, text: str = "FROM busybox") -> bytes:
    files = {BOOK: answered(text), "Dockerfile": text.encode()}
    return pack(described(student, "01-boxes", time, files), files)


def bulk(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def submit(workspace: Path, *arguments: str) -> Result:
    options = ["--workspace", str(workspace), "--course", str(workspace.parent / "course")]
    return CliRunner().invoke(submitting.commands[0], [*arguments, *options])


def collect(course: Path, *arguments: str | Path) -> list[dict[str, Any]]:
    result = CliRunner().invoke(collecting.commands[0], [*map(str, arguments), "--json", "--course", str(course)])
    assert result.exit_code == 0, result.output
    document = json.loads(result.output)
    assert sum(document["counts"].values()) == len(document["hand_ins"])
    hand_ins: list[dict[str, Any]] = document["hand_ins"]
    return hand_ins


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != ".lock")


def test_round_trip_gives_the_tree_that_nbgrader_grades(course: Path, workspace: Path) -> None:
    (workspace / "assignments/01-boxes" / BOOK).write_bytes(answered())
    (workspace / "assignments/01-boxes/app").mkdir()
    (workspace / "assignments/01-boxes/app/Dockerfile").write_text("FROM busybox\n")
    before = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    assert submit(workspace, "01-boxes", "--student", "ada").exit_code == 0
    [outcome] = collect(course, *(workspace / "hand-in").iterdir())
    assert (outcome["status"], outcome["student"], outcome["assignment"]) == ("collected", "ada", "01-boxes")
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


def test_the_name_is_remembered_and_asked_for_when_unknown(workspace: Path) -> None:
    nameless = submit(workspace, "01-boxes")
    assert isinstance(nameless.exception, LabError)
    assert "--student NAME" in nameless.exception.hint
    assert submit(workspace, "01-boxes", "--student", " Ada Lovelace ").exit_code == 0
    again = submit(workspace, "02-ports")
    assert "by Ada-Lovelace are ready" in again.output
    assert (workspace / ".student").read_text() == "Ada-Lovelace\n"


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
    assert "lacks cells of the assignment, which earn nothing then: recipe_test" in result.stderr


@pytest.mark.parametrize(("content", "message"), [
    (None, "it is not in"), (b"", "not a notebook"), (b'{"cells": [', "not a notebook"), (b"[1]", "not a notebook"),
])
def test_without_a_readable_notebook_nothing_is_packed(workspace: Path, content: bytes | None, message: str) -> None:
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
    assert zipfile.ZipFile(path).namelist() == ["manifest.json", f"01-boxes/{BOOK}", "01-boxes/start.sh"]
    for told in ("keys is not handed in: a link", "app is not handed in: a link", "dump.bin is not handed in: larger than 1 MiB",
                 "scratch.ipynb is not handed in: not a file of this assignment"):
        assert told in result.stderr
    assert "checkpoints" not in result.stderr


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
    assert {one.stat().st_uid for one in (path, path.parent, workspace / ".student")} == {workspace.stat().st_uid}


def test_submit_button_copy_is_packed_and_collected(course: Path, workspace: Path) -> None:
    inbound = workspace / ".exchange/course/inbound"
    for stamp, text in (("2025-11-24 09:00:00.000001 UTC", "FROM old"), ("2025-11-24 10:00:00.000001 UTC", "FROM new")):
        folder = inbound / f"student+01-boxes+{stamp}+c2VjcmV0-_"
        folder.mkdir(parents=True)
        (folder / BOOK).write_bytes(answered(text))
        (folder / "timestamp.txt").write_text(stamp)
        (folder / "submission_secret.txt").write_text("s")
    assert [one["reason"] for one in collect(course, inbound)] == ["nothing says whose it is: use --student NAME"] * 2
    assert submit(workspace, "01-boxes", "--student", "ada", "--from-exchange").exit_code == 0
    [packed] = collect(course, workspace / "hand-in")
    assert (packed["student"], packed["time"]) == ("ada", "2025-11-24T10:00:00+00:00")
    assert (course / "submitted/ada/01-boxes" / BOOK).read_bytes() == answered("FROM new")
    assert [(one["student"], one["status"]) for one in collect(course, inbound)] == [("ada", "earlier"), ("ada", "unchanged")]
    assert tree(course / "submitted/ada/01-boxes") == [BOOK, "timestamp.txt"]


def test_newest_stays_earlier_ones_are_kept_and_again_changes_nothing(course: Path, inbox: Path) -> None:
    for name, hour, text in (("b.zip", 12, "FROM b"), ("c.zip", 13, "FROM c"), ("a.zip", 11, "FROM a")):
        (inbox / name).write_bytes(hand_in("ada", NOON.replace(hour=hour), text))
    assert [collect(course, inbox / name)[0]["status"] for name in ("b.zip", "c.zip", "a.zip")] == ["collected", "replaced", "earlier"]
    submitted = course / "submitted"
    assert (submitted / "ada/01-boxes/Dockerfile").read_text() == "FROM c"
    assert (submitted / "ada/01-boxes/timestamp.txt").read_text() == "2025-11-24 13:00:00.000000 UTC"
    assert (submitted / ".earlier/ada/01-boxes/2025-11-24T12-00-00Z/Dockerfile").read_text() == "FROM b"
    assert (submitted / ".earlier/ada/01-boxes/2025-11-24T11-00-00Z/Dockerfile").read_text() == "FROM a"
    before = {path: path.stat().st_mtime_ns for path in submitted.rglob("*") if path.is_file() and path.name != ".lock"}
    assert {one["status"] for one in collect(course, inbox)} == {"unchanged"}
    assert {path: path.stat().st_mtime_ns for path in submitted.rglob("*") if path.is_file() and path.name != ".lock"} == before


def test_course_site_downloads_name_the_student(course: Path, inbox: Path) -> None:
    path = bulk(inbox / "class.zip", {
        "Ada Lovelace_1234_assignsubmission_file_/ada-01-boxes-20251124T120000Z.zip": hand_in("ada"),
        "Grace Hopper_1235_assignsubmission_file_01-boxes.ipynb": answered("FROM grace"),
        "turingalan_LATE_123_4567_01-boxes-1.ipynb": answered("FROM alan"),
        "Boxes_edsger_attempt_2025-11-24-10-30-00_01-boxes.ipynb": answered("FROM edsger"),
        "12-34 - Barbara Liskov - Nov 24, 2025 1030 AM/01-boxes.ipynb": answered("FROM barbara"),
        "Boxes_edsger_attempt_2025-11-24-10-30-00.txt": b"Name: Edsger",
    })
    outcomes = {one["student"]: one for one in collect(course, path)}
    assert sorted(one for one in outcomes if one) == ["Ada-Lovelace", "Barbara-Liskov", "Grace-Hopper", "edsger", "turingalan"]
    assert all(one["status"] == "collected" for student, one in outcomes.items() if student)
    assert outcomes[None]["reason"] == "neither a zip nor a notebook"
    assert outcomes["Ada-Lovelace"]["notes"] == ["its manifest names another student: ada"]
    local = datetime(2025, 11, 24, 10, 30).astimezone().astimezone(UTC).isoformat(timespec="seconds")
    assert outcomes["edsger"]["time"] == outcomes["Barbara-Liskov"]["time"] == local
    assert (course / "submitted/turingalan/01-boxes" / BOOK).read_bytes() == answered("FROM alan")


def test_the_roster_says_who_is_meant(course: Path, inbox: Path) -> None:
    roster = course.parent / "class.csv"
    roster.write_text("name,student\nada lovelace,s1815\n", encoding="utf-8-sig")
    (inbox / "Ada Lovelace_1_assignsubmission_file_x.zip").write_bytes(hand_in("mallory"))
    [outcome] = collect(course, inbox, "--roster", roster)
    assert outcome["student"] == "s1815"
    assert outcome["notes"] == ["its manifest names another student: mallory"]
    roster.write_text("who,what\n")
    result = CliRunner().invoke(collecting.commands[0], [str(inbox), "--roster", str(roster), "--course", str(course)])
    assert isinstance(result.exception, LabError)


def test_two_people_of_one_name_are_not_mixed_up(course: Path, inbox: Path) -> None:
    path = bulk(inbox / "class.zip", {f"Ada Smith_{number}_assignsubmission_file_01-boxes.ipynb": answered(f"FROM a{number}") for number in (1, 2)})
    first, second = collect(course, path)
    assert first["status"] == "collected"
    assert "two people" in second["reason"]


def test_what_the_instructor_says_wins(course: Path, inbox: Path) -> None:
    (inbox / "x.zip").write_bytes(hand_in("mallory"))
    [outcome] = collect(course, inbox / "x.zip", "--student", "ada", "--received", "2025-11-20 08:00")
    assert outcome["student"] == "ada"
    assert outcome["time"] == datetime(2025, 11, 20, 8).astimezone().astimezone(UTC).isoformat(timespec="seconds")
    assert not (course / "submitted/mallory").exists()


@pytest.mark.parametrize("name", ["ada_01-boxes.ipynb", "ada-01-boxes (1).ipynb", "ada-01-boxes-20251124T120000Z.ipynb"])
def test_a_plain_notebook_is_named_as_released(course: Path, inbox: Path, name: str) -> None:
    (inbox / name).write_bytes(answered())
    [outcome] = collect(course, inbox)
    assert (outcome["status"], outcome["student"]) == ("collected", "ada")
    assert tree(course / "submitted/ada/01-boxes") == [BOOK, "timestamp.txt"]


def test_cells_tell_the_assignment_when_names_do_not(course: Path, inbox: Path) -> None:
    shutil.copy(FIXTURE / "assignments/02-ports/02-ports.ipynb", inbox / "Untitled.ipynb")
    (inbox / "other.ipynb").write_text('{"cells": []}')
    outcomes = {one["source"]: one for one in collect(course, inbox, "--student", "ada")}
    assert outcomes["Untitled.ipynb"]["assignment"] == "02-ports"
    assert outcomes["other.ipynb"]["reason"] == "nothing in it says which assignment it is: use --assignment"
    assert tree(course / "submitted/ada") == ["02-ports/02-ports.ipynb", "02-ports/timestamp.txt"]


def test_a_zip_made_by_hand_keeps_its_files(course: Path, inbox: Path) -> None:
    bulk(inbox / "ada_01-boxes.zip", {f"01-boxes/{BOOK}": answered(), "01-boxes/app/Dockerfile": b"FROM busybox",
                                     "__MACOSX/01-boxes/._x": b"", "01-boxes/.DS_Store": b""})
    [outcome] = collect(course, inbox)
    assert (outcome["status"], outcome["student"], outcome["refused"]) == ("collected", "ada", [])
    assert tree(course / "submitted/ada/01-boxes") == [BOOK, "app/Dockerfile", "timestamp.txt"]


def test_a_truncated_notebook_is_taken_with_a_remark(course: Path, inbox: Path) -> None:
    (inbox / "ada_01-boxes.ipynb").write_bytes(answered()[:200])
    [outcome] = collect(course, inbox)
    assert outcome["status"] == "collected"
    assert outcome["notes"] == [f"{BOOK} is not a notebook (damaged, or cut short): it cannot be graded"]


def test_two_collects_do_not_run_at_once(course: Path, inbox: Path) -> None:
    from grader.submissions import opened

    (inbox / "x.zip").write_bytes(hand_in("ada"))
    with opened(course):
        result = CliRunner().invoke(collecting.commands[0], [str(inbox), "--course", str(course)])
    assert isinstance(result.exception, LabError)
    assert "Another" in result.exception.what


def test_the_table_tells_what_became_of_each(course: Path, inbox: Path) -> None:
    (inbox / "x.zip").write_bytes(hand_in("ada"))
    (inbox / "y.txt").write_text("hello")
    result = CliRunner().invoke(collecting.commands[0], [str(inbox), "--course", str(course)], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "1 collected, 1 refused" in result.output
    assert "neither a zip nor a notebook" in result.output


@pytest.mark.parametrize(("given", "name"), [
    ("ada", "ada"), (" Ada  Lovelace ", "Ada-Lovelace"), ("Zoe\u0308", "Zo\u00eb"), ("張偉", "張偉"), ("अदिति", "अदिति"),
    ("s123@uni.example", "s123@uni.example"), ("1815", "1815"), ("a" * 64, "a" * 64),
])
def test_names_that_are_taken(given: str, name: str) -> None:
    assert student_name(given) == name
    assert student_name(name) == name


@pytest.mark.parametrize("given", [
    "", " ", ".", "..", "../x", "a/b", "a\\b", "/etc", "-rf", ".hidden", "_x", "a.", "a\nb", "a\tb", "a\x00b", "a\x1b[2J", "<script>",
    "a+b", "a*b", "a" * 65, "\U00020000" * 64, "a\u202eb", "a\ud800", "~root", "$HOME", "a;b", "'", "\u0301a",
])
def test_names_that_are_refused(given: str) -> None:
    with pytest.raises(RefusedError):
        student_name(given)


def test_a_manifest_survives_its_own_json() -> None:
    manifest = Manifest("Zoë", "01-boxes", NOON, {BOOK: "0" * 64})
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert zipfile.ZipFile(io.BytesIO(hand_in("ada"))).testzip() is None
