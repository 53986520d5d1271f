"""What is recorded of a graded submission, and when it counts."""

import sqlite3
from pathlib import Path

import pytest

from grader.gradebook.journal import Entry, Journal, key_of
from grader.judging.results import Check, Outcome

FILES = {"tiny.ipynb": b"{}", "web/Dockerfile": b"FROM busybox"}
OUTCOME = Outcome({"q1": Check("It runs", 1.5, 2, "failed", "Only a part.")}, "timeout", ["a note"])
ENTRY = Entry({"tiny": OUTCOME}, 4.25, ["a note", "another"])


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


def test_entry_comes_back_as_it_was(journal: Journal) -> None:
    journal.keep("tiny", "ada", "key", ENTRY)
    assert journal.find("tiny", "ada", "key") == ENTRY


def test_entry_of_an_earlier_version_does_not_count(journal: Journal) -> None:
    journal.keep("tiny", "ada", "old", ENTRY)
    assert journal.find("tiny", "ada", "new") is None
    journal.keep("tiny", "ada", "new", ENTRY)
    assert journal.find("tiny", "ada", "old") is None


@pytest.mark.parametrize(("assignment", "student"), [("tiny", "bob"), ("other", "ada")])
def test_entry_is_one_students_and_one_assignments(
    journal: Journal, assignment: str, student: str
) -> None:
    journal.keep("tiny", "ada", "key", ENTRY)
    assert journal.find(assignment, student, "key") is None


def test_nothing_counts_while_the_grades_change(journal: Journal) -> None:
    journal.keep("tiny", "ada", "key", ENTRY)
    journal.forget("tiny", "ada")
    assert journal.find("tiny", "ada", "key") is None


def test_entry_is_on_disk_when_it_is_kept(journal: Journal, tmp_path: Path) -> None:
    journal.keep("tiny", "ada", "key", ENTRY)
    with sqlite3.connect(tmp_path / "journal") as other:
        # full: a commit waits for the disk
        assert other.execute("PRAGMA synchronous").fetchone() == (2,)
    assert Journal(tmp_path / "journal").find("tiny", "ada", "key") == ENTRY


@pytest.mark.parametrize(
    ("files", "circumstances"),
    [
        ({**FILES, "web/Dockerfile": b"FROM alpine"}, ["v1", 60]),
        ({**FILES, "extra": b""}, ["v1", 60]),
        ({"tiny.ipynb": b"{}"}, ["v1", 60]),
        (FILES, ["v2", 60]),
        (FILES, ["v1", 90]),
    ],
    ids=["content", "one more file", "one file less", "version", "limit"],
)
def test_key_changes_with_all_that_a_grade_depends_on(
    files: dict[str, bytes], circumstances: list[object]
) -> None:
    assert key_of(files, circumstances) != key_of(FILES, ["v1", 60])


def test_key_does_not_depend_on_the_order_of_files() -> None:
    assert key_of(dict(reversed(FILES.items())), ["v1"]) == key_of(FILES, ["v1"])
