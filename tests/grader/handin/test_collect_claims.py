"""`lab collect` on what hand-ins claim (who, what, when), and on folders that strangers can write
to.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from grader.commands.collect import collect_command
from grader.handin.manifest import describe, pack
from lab.errors import LabError

from .handins import ANSWER, BOOK, NOON, Inbox, entry, manifest, stored, zipped


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path)


def test_a_changed_file_does_not_pass_for_the_packed_one(inbox: Inbox) -> None:
    other = describe("ada", "01-boxes", NOON, {BOOK: b"something else"})
    (inbox.folder / "x.zip").write_bytes(pack(other, {BOOK: ANSWER}))
    assert "not those that were packed" in inbox.collect()[0]["reason"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"1" * 5000,
        b"[" * 100_000,
        b"\xff\xfe",
        manifest(schema=2),
        manifest(schema=[]),
        manifest(files=[]),
        manifest(files=3),
        manifest(files={BOOK: 1}),
        manifest(student=None),
        manifest(student=["ada"]),
        manifest(time="yesterday"),
        manifest(time=0),
        manifest(time="0001-01-01T00:00:00+14:00"),
        manifest(assignment=None),
        manifest(files={"missing": "0"}),
        manifest(files={"../../../secret.txt": "0"}),
        manifest(note="x" * 300_000),
    ],
    ids=range(21),
)
def test_a_manifest_that_is_none_is_refused(inbox: Inbox, content: bytes) -> None:
    (inbox.folder / "x.zip").write_bytes(zipped(described_by=content))
    [outcome] = inbox.collect()
    assert outcome["status"] == "refused"
    assert outcome["reason"]
    assert inbox.taken() == []


@pytest.mark.parametrize(
    "student",
    [
        "",
        " ",
        ".",
        "..",
        "../ada",
        "/etc/cron.d/x",
        "a/b",
        "a\\b",
        "a" * 65,
        "\U00020000" * 64,
        "a\nb",
        "a\x00b",
        "a\x1b[31m",
        "<script>alert(1)</script>",
        ".earlier",
        ".lock",
        "-rf",
        "a*",
        "a+b",
        "$(id)",
        "\u202eada",
        "ada.",
        "\ud800",
    ],
)
def test_a_student_of_an_impossible_name_is_refused(inbox: Inbox, student: str) -> None:
    (inbox.folder / "x.zip").write_bytes(zipped(described_by=manifest(student=student)))
    [outcome] = inbox.collect()
    assert outcome["status"] == "refused"
    assert "student's name" in outcome["reason"]
    assert inbox.taken() == []
    assert inbox.collect("--student", "ada")[0]["status"] == "collected"


@pytest.mark.parametrize(
    "assignment",
    ["", ".", "..", "../01-boxes", "/01-boxes", "99-none", "01-BOXES", "01-boxes/", "a\nb"],
)
def test_an_unknown_assignment_is_refused(inbox: Inbox, assignment: str) -> None:
    files = {BOOK: ANSWER}
    (inbox.folder / "x.zip").write_bytes(pack(describe("ada", assignment, NOON, files), files))
    [outcome] = inbox.collect()
    assert outcome["status"] == "refused"
    assert inbox.taken() == []


def test_a_time_to_come_is_not_believed(inbox: Inbox) -> None:
    (inbox.folder / "x.zip").write_bytes(
        zipped(described_by=manifest(time="9998-01-01T00:00:00+00:00"))
    )
    [outcome] = inbox.collect()
    assert datetime.fromisoformat(outcome["time"]) <= datetime.now(UTC) + timedelta(seconds=1)
    assert "time in the future" in outcome["notes"][0]


def test_a_name_in_another_case_is_not_taken_for_a_second_student(inbox: Inbox) -> None:
    (inbox.folder / "1.zip").write_bytes(zipped())
    (inbox.folder / "2.zip").write_bytes(
        zipped(described_by=manifest(student="ADA", time="2025-11-24T13:00:00+00:00"))
    )
    first, second = inbox.collect()
    assert first["status"] == "collected"
    assert "--student ada" in second["reason"]


def test_names_reserved_for_the_tree_itself_are_ours(inbox: Inbox) -> None:
    late = stored(
        {BOOK: ANSWER, "timestamp.txt": b"1999-01-01 00:00:00 UTC", "submission_secret.txt": b"x"}
    )
    (inbox.folder / "ada_01-boxes.zip").write_bytes(late)
    inbox.collect()
    assert inbox.taken() == [f"ada/01-boxes/{BOOK}"]
    assert "1999" not in (inbox.submitted / "ada/01-boxes/timestamp.txt").read_text()


def test_names_of_strangers_do_not_reach_the_terminal(inbox: Inbox) -> None:
    (inbox.folder / "a\x1b[2J[red]b.zip").write_bytes(
        zipped((entry("01-boxes/\x1b]0;owned\x07"), b""))
    )
    (inbox.folder / os.fsdecode(b"\xff\xfe.zip")).write_bytes(b"")
    result = CliRunner().invoke(
        collect_command, [str(inbox.folder), "--course", str(inbox.course)], env={"COLUMNS": "250"}
    )
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    assert "\\x1b[2J[red]b.zip" in result.output


def test_links_and_pipes_in_a_folder_are_reported_and_not_followed(inbox: Inbox) -> None:
    (inbox.folder / "ada_01-boxes.ipynb").symlink_to(inbox.secret)
    (inbox.folder / "bob_01-boxes.zip").symlink_to(inbox.secret)
    (inbox.folder / "everything").symlink_to("/")
    os.mkfifo(inbox.folder / "cy_01-boxes.zip")
    os.mkfifo(inbox.folder / "dan_01-boxes.ipynb")
    assert {one["source"]: one["reason"] for one in inbox.collect()} == {
        "ada_01-boxes.ipynb": "a link",
        "bob_01-boxes.zip": "a link",
        "everything": "a link",
        "cy_01-boxes.zip": "not a regular file",
        "dan_01-boxes.ipynb": "not a regular file",
    }


def test_links_of_both_kinds_in_an_exchange_folder_are_refused(inbox: Inbox) -> None:
    folder = inbox.folder / "ada+01-boxes+2025-11-24 09:00:00.000001 UTC+c2VjcmV0"
    folder.mkdir()
    (folder / BOOK).write_bytes(ANSWER)
    (folder / "soft").symlink_to(inbox.secret)
    os.link(inbox.secret, folder / "hard")
    os.mkfifo(folder / "pipe")
    (folder / "dir").symlink_to("/etc")
    [outcome] = inbox.collect()
    assert outcome["status"] == "collected"
    assert {one["path"]: one["reason"] for one in outcome["refused"]} == {
        "soft": "a link",
        "hard": "a hard link: it has another name elsewhere",
        "pipe": "not a regular file",
        "dir": "a link",
    }
    assert inbox.taken() == [f"ada/01-boxes/{BOOK}"]


def test_a_folder_nested_without_end_ends(inbox: Inbox) -> None:
    folder = inbox.folder / "ada+01-boxes+2025-11-24 09:00:00.000001 UTC+c2VjcmV0"
    (folder / "/".join("d" * 200)).mkdir(parents=True)
    (folder / BOOK).write_bytes(ANSWER)
    [outcome] = inbox.collect()
    assert outcome["status"] == "collected"
    assert "nested more than" in outcome["refused"][0]["reason"]


def test_a_submitted_folder_that_is_a_link_is_not_written_through(
    inbox: Inbox, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    inbox.submitted.mkdir()
    (inbox.submitted / "ada").symlink_to(tmp_path / "elsewhere")
    (inbox.folder / "x.zip").write_bytes(zipped())
    result = CliRunner().invoke(collect_command, [str(inbox.folder), "--course", str(inbox.course)])
    assert "is a link" in result.output
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_killed_run_leaves_nothing_that_the_next_does_not_clear(inbox: Inbox) -> None:
    leftover = inbox.submitted / ".incoming-abc" / "01-boxes"
    leftover.mkdir(parents=True)
    (leftover / BOOK).write_text("half")
    (inbox.folder / "x.zip").write_bytes(zipped())
    inbox.collect()
    assert inbox.taken() == [f"ada/01-boxes/{BOOK}"]


def test_a_failure_while_replacing_restores_the_older_hand_in(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox.folder / "x.zip").write_bytes(zipped())
    inbox.collect()
    newer = {BOOK: ANSWER + b"\n"}
    (inbox.folder / "x.zip").write_bytes(
        pack(describe("ada", "01-boxes", NOON + timedelta(hours=1), newer), newer)
    )
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if ".incoming-" in str(self):
            raise OSError("disk full")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    result = CliRunner().invoke(collect_command, [str(inbox.folder), "--course", str(inbox.course)])
    assert isinstance(result.exception, LabError)
    assert "disk full" in result.exception.what
    assert (inbox.submitted / "ada/01-boxes" / BOOK).read_bytes() == ANSWER
