"""Hand-ins among others: the honest before and behind a hostile one are always collected."""

import random
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from grader.commands.collect import collect_command
from lab.errors import LabError

from .handins import ANSWER, BOOK, Inbox, hand_in, manifest, stored


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path)


def bulk(hostile: bytes) -> bytes:
    """A course site's download of three: two honest, and a hostile one in the middle."""
    return stored(
        {
            "Aaron Able_1001_assignsubmission_file_/aa.zip": hand_in("aa"),
            "Eve Evil_1002_assignsubmission_file_/ee.zip": hostile,
            "Zara Zed_1003_assignsubmission_file_/zz.zip": hand_in("zz"),
        }
    )


@pytest.mark.parametrize(
    "name",
    [
        f"{BOOK}/x.txt",
        f"{BOOK.upper()}/x.txt",
        f"{BOOK}/{BOOK}/x.txt",
        "timestamp.txt/x",
        "TimeStamp.TXT/x",
        "Timestamp.txt",
        "submission_secret.txt/a/b",
    ],
)
def test_a_folder_named_as_a_file_of_ours_costs_nobody_anything(inbox: Inbox, name: str) -> None:
    hostile = stored({name: b"x", "renamed.ipynb": ANSWER})
    (inbox.folder / "class.zip").write_bytes(bulk(hostile))
    outcomes = inbox.collect("--assignment", "01-boxes")
    assert [one["status"] for one in outcomes] == ["collected"] * 3
    assert inbox.taken() == [
        path
        for student in ("Aaron-Able", "Eve-Evil", "Zara-Zed")
        for path in (
            [f"{student}/01-boxes/{BOOK}"]
            if student == "Eve-Evil"
            else [f"{student}/01-boxes/{BOOK}", f"{student}/01-boxes/Dockerfile"]
        )
    ]
    assert [one["path"] for one in outcomes[1]["refused"]] == [name]


def test_a_hand_in_that_cannot_be_stored_stops_nobody_behind_it(inbox: Inbox) -> None:
    """The exit status says that one was lost."""
    (inbox.folder / "class.zip").write_bytes(bulk(hand_in("ee")))
    inbox.submitted.mkdir()
    (inbox.submitted / "Eve-Evil").write_text("a file where a folder has to be")
    result = CliRunner().invoke(
        collect_command, [str(inbox.folder), "--course", str(inbox.course), "--json"]
    )
    assert isinstance(result.exception, LabError)
    assert "1 of 3" in result.exception.what
    assert {path.split("/")[0] for path in inbox.taken()} == {"Aaron-Able", "Eve-Evil", "Zara-Zed"}


PIECES = [
    BOOK,
    BOOK.upper(),
    f"{BOOK} ",
    "01-boxes",
    "timestamp.txt",
    "manifest.json",
    "a",
    "A",
    "\uff21",
    "a" * 200,
    "é" * 100,
    "e\u0301",
    "é",
    ".",
    "..",
    ".earlier",
    ".lock",
    "x\x1b[2J",
    "x\ny",
    "con",
    "nul.txt",
    "a.ipynb",
    "Z.IPYNB",
    "\ud800",
    "x.zip",
    "~",
    "*",
    "[ab]",
    "-rf",
]


def tree_of(drawn: random.Random) -> dict[str, bytes]:
    """Names as folders, files as parents, collisions, long names, control characters, dots."""
    files = {
        "/".join(drawn.choice(PIECES) for _ in range(drawn.randint(1, 6))): drawn.choice(
            [b"", b"x", ANSWER, manifest(), b"{" * 1000]
        )
        for _ in range(drawn.randint(1, 12))
    }
    return {
        path.encode("utf-8", "replace").decode(): content for path, content in files.items()
    } | ({"own.ipynb": ANSWER} if drawn.random() < 0.5 else {})


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_honest_are_collected_whatever_tree_is_between_them(inbox: Inbox, seed: int) -> None:
    drawn = random.Random(seed)
    hostile = stored(tree_of(drawn))
    (inbox.folder / "class.zip").write_bytes(bulk(hostile))
    (inbox.folder / "eve+01-boxes+2025-11-24 12:00:00 UTC").mkdir()
    for path, content in tree_of(drawn).items():
        target = inbox.folder / "eve+01-boxes+2025-11-24 12:00:00 UTC" / path.replace("..", "")
        with suppress(OSError):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    (inbox.folder / "zzz.zip").write_bytes(hand_in("zzz"))
    options = ["--assignment", "01-boxes"] if drawn.random() < 0.5 else []
    outcomes = inbox.collect(*options)
    assert [one for one in outcomes if one["failed"]] == []
    taken = inbox.taken()
    for student in ("Aaron-Able", "Zara-Zed", "zzz"):
        assert f"{student}/01-boxes/{BOOK}" in taken, outcomes
