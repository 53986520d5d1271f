"""`lab collect`: hand-ins from wherever they come, each in its student's folder."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from grader.commands.collect import collect_command
from lab.errors import LabError

from .handins import BOOK, FIXTURE, NOON, answered, collect, hand_in, stored, tree


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course with released assignments."""
    shutil.copytree(FIXTURE / "assignments", tmp_path / "course/assignments")
    return tmp_path / "course"


@pytest.fixture
def inbox(course: Path) -> Path:
    folder = course.parent / "inbox"
    folder.mkdir()
    return folder


def bulk(path: Path, files: dict[str, bytes]) -> Path:
    path.write_bytes(stored(files))
    return path


def test_newest_stays_earlier_ones_are_kept_and_again_changes_nothing(
    course: Path, inbox: Path
) -> None:
    for name, hour, text in (
        ("b.zip", 12, "FROM b"),
        ("c.zip", 13, "FROM c"),
        ("a.zip", 11, "FROM a"),
    ):
        (inbox / name).write_bytes(hand_in("ada", NOON.replace(hour=hour), text))
    assert [collect(course, inbox / name)[0]["status"] for name in ("b.zip", "c.zip", "a.zip")] == [
        "collected",
        "replaced",
        "earlier",
    ]
    submitted = course / "submitted"
    assert (submitted / "ada/01-boxes/Dockerfile").read_text() == "FROM c"
    assert (
        submitted / "ada/01-boxes/timestamp.txt"
    ).read_text() == "2025-11-24 13:00:00.000000 UTC"
    assert (
        submitted / ".earlier/ada/01-boxes/2025-11-24T12-00-00Z/Dockerfile"
    ).read_text() == "FROM b"
    assert (
        submitted / ".earlier/ada/01-boxes/2025-11-24T11-00-00Z/Dockerfile"
    ).read_text() == "FROM a"
    before = {
        path: path.stat().st_mtime_ns
        for path in submitted.rglob("*")
        if path.is_file() and path.name != ".lock"
    }
    assert {one["status"] for one in collect(course, inbox)} == {"unchanged"}
    assert {
        path: path.stat().st_mtime_ns
        for path in submitted.rglob("*")
        if path.is_file() and path.name != ".lock"
    } == before


def test_course_site_downloads_name_the_student(course: Path, inbox: Path) -> None:
    path = bulk(
        inbox / "class.zip",
        {
            "Ada Lovelace_1234_assignsubmission_file_/ada-01-boxes-20251124T120000Z.zip": hand_in(
                "ada"
            ),
            "Grace Hopper_1235_assignsubmission_file_01-boxes.ipynb": answered("FROM grace"),
            "turingalan_LATE_123_4567_01-boxes-1.ipynb": answered("FROM alan"),
            "Boxes_edsger_attempt_2025-11-24-10-30-00_01-boxes.ipynb": answered("FROM edsger"),
            "12-34 - Barbara Liskov - Nov 24, 2025 1030 AM/01-boxes.ipynb": answered(
                "FROM barbara"
            ),
            "Boxes_edsger_attempt_2025-11-24-10-30-00.txt": b"Name: Edsger",
        },
    )
    outcomes = {one["student"]: one for one in collect(course, path)}
    assert sorted(one for one in outcomes if one) == [
        "Ada-Lovelace",
        "Barbara-Liskov",
        "Grace-Hopper",
        "edsger",
        "turingalan",
    ]
    assert all(one["status"] == "collected" for student, one in outcomes.items() if student)
    assert outcomes[None]["reason"] == "neither a zip nor a notebook"
    assert outcomes["Ada-Lovelace"]["notes"] == ["its manifest names another student: ada"]
    local = (
        datetime(2025, 11, 24, 10, 30).astimezone().astimezone(UTC).isoformat(timespec="seconds")
    )
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
    result = CliRunner().invoke(
        collect_command, [str(inbox), "--roster", str(roster), "--course", str(course)]
    )
    assert isinstance(result.exception, LabError)


def test_two_people_of_one_name_are_not_mixed_up(course: Path, inbox: Path) -> None:
    path = bulk(
        inbox / "class.zip",
        {
            f"Ada Smith_{number}_assignsubmission_file_01-boxes.ipynb": answered(f"FROM a{number}")
            for number in (1, 2)
        },
    )
    first, second = collect(course, path)
    assert first["status"] == "collected"
    assert "two people" in second["reason"]


def test_what_the_instructor_says_wins(course: Path, inbox: Path) -> None:
    (inbox / "x.zip").write_bytes(hand_in("mallory"))
    [outcome] = collect(
        course, inbox / "x.zip", "--student", "ada", "--received", "2025-11-20 08:00"
    )
    assert outcome["student"] == "ada"
    assert outcome["time"] == datetime(2025, 11, 20, 8).astimezone().astimezone(UTC).isoformat(
        timespec="seconds"
    )
    assert not (course / "submitted/mallory").exists()


@pytest.mark.parametrize(
    "name", ["ada_01-boxes.ipynb", "ada-01-boxes (1).ipynb", "ada-01-boxes-20251124T120000Z.ipynb"]
)
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
    assert (
        outcomes["other.ipynb"]["reason"]
        == "nothing in it says which assignment it is: use --assignment"
    )
    assert tree(course / "submitted/ada") == ["02-ports/02-ports.ipynb", "02-ports/timestamp.txt"]


def test_a_zip_made_by_hand_keeps_its_files(course: Path, inbox: Path) -> None:
    bulk(
        inbox / "ada_01-boxes.zip",
        {
            f"01-boxes/{BOOK}": answered(),
            "01-boxes/app/Dockerfile": b"FROM busybox",
            "__MACOSX/01-boxes/._x": b"",
            "01-boxes/.DS_Store": b"",
        },
    )
    [outcome] = collect(course, inbox)
    assert (outcome["status"], outcome["student"], outcome["refused"]) == ("collected", "ada", [])
    assert tree(course / "submitted/ada/01-boxes") == [BOOK, "app/Dockerfile", "timestamp.txt"]


def test_a_truncated_notebook_is_taken_with_a_remark(course: Path, inbox: Path) -> None:
    (inbox / "ada_01-boxes.ipynb").write_bytes(answered()[:200])
    [outcome] = collect(course, inbox)
    assert outcome["status"] == "collected"
    assert outcome["notes"] == [
        f"{BOOK} is not a notebook (damaged, or cut short): it cannot be graded"
    ]


def test_two_collects_do_not_run_at_once(course: Path, inbox: Path) -> None:
    from grader.handin.tree import open_submissions

    (inbox / "x.zip").write_bytes(hand_in("ada"))
    with open_submissions(course):
        result = CliRunner().invoke(collect_command, [str(inbox), "--course", str(course)])
    assert isinstance(result.exception, LabError)
    assert "Another" in result.exception.what


def test_the_table_tells_what_became_of_each(course: Path, inbox: Path) -> None:
    (inbox / "x.zip").write_bytes(hand_in("ada"))
    (inbox / "y.txt").write_text("hello")
    result = CliRunner().invoke(
        collect_command, [str(inbox), "--course", str(course)], env={"COLUMNS": "200"}
    )
    assert result.exit_code == 0
    assert "1 collected, 1 refused" in result.output
    assert "neither a zip nor a notebook" in result.output
