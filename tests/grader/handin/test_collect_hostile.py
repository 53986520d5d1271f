"""`lab collect` on archives from people who wish the grader ill: each refused with its reason, the
rest taken.
"""

import io
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from .handins import ANSWER, BOOK, INSIDE, Inbox, entry, manifest, stored, zipped


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../../evil.txt", "leaves its folder"),
        ("01-boxes/../../../evil.txt", "leaves its folder"),
        ("01-boxes//evil.txt", "leaves its folder"),
        ("./evil.txt", "leaves its folder"),
        ("/etc/evil.txt", "absolute"),
        ("C:/evil.txt", "absolute"),
        ("c:evil.txt", "absolute"),
        ("..\\..\\evil.txt", "characters"),
        ("01-boxes/a\x1b[2Jb", "characters"),
        ("01-boxes/a\nb", "characters"),
        ("01-boxes/a\u202eb", "characters"),
        ("01-boxes/" + "a" * 250, "too long"),
        ("/".join("a" * 20), "too long"),
        ("01-boxes/ a", "space"),
        ("01-boxes/a.", "dot"),
        ("01-boxes/extra.ipynb", "not in its manifest"),
        ("other/file.txt", "not in its manifest"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_have_no_place_are_refused_and_the_rest_is_taken(
    inbox: Inbox, name: str, reason: str
) -> None:
    (inbox.folder / "x.zip").write_bytes(zipped((entry(name), b"evil")))
    [outcome] = inbox.collect()
    assert outcome["status"] == "collected"
    assert [one["path"] for one in outcome["refused"]] == [name]
    assert reason in outcome["refused"][0]["reason"]
    assert inbox.taken() == [f"ada/01-boxes/{BOOK}"]


def test_a_null_byte_does_not_shorten_a_name(inbox: Inbox) -> None:
    content = zipped((entry("01-boxes/run.shXevil"), b"evil")).replace(
        b"run.shXevil", b"run.sh\x00evil"
    )
    (inbox.folder / "x.zip").write_bytes(content)
    [outcome] = inbox.collect()
    assert "characters" in outcome["refused"][0]["reason"]
    assert inbox.taken() == [f"ada/01-boxes/{BOOK}"]


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (0o120777, "a link"),
        (0o020644, "not a regular file"),
        (0o060644, "not a regular file"),
        (0o010644, "not a regular file"),
        (0o140644, "not a"),
    ],
)
def test_links_and_devices_in_a_zip_are_refused(inbox: Inbox, mode: int, reason: str) -> None:
    (inbox.folder / "x.zip").write_bytes(
        zipped((entry("01-boxes/start.sh", mode), str(inbox.secret).encode()))
    )
    [outcome] = inbox.collect()
    assert reason in outcome["refused"][0]["reason"]
    assert inbox.taken() == [f"ada/01-boxes/{BOOK}"]


def test_a_notebook_that_is_a_link_leaves_nothing_to_collect(inbox: Inbox) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("manifest.json", manifest())
        archive.writestr(entry(INSIDE, 0o120777), str(inbox.secret))
    (inbox.folder / "x.zip").write_bytes(stream.getvalue())
    [outcome] = inbox.collect()
    assert (outcome["status"], outcome["refused"][0]["reason"]) == ("refused", "a link")
    assert "holds no notebook" in outcome["reason"]


@pytest.mark.parametrize(
    "pair",
    [
        ("a.txt", "a.txt"),
        ("Dockerfile", "dockerfile"),
        ("stra\u00dfe", "STRASSE"),
        ("\u00e9", "e\u0301"),
        ("app", "app/x"),
        ("App", "app/x"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_files_of_one_name_neither_is_taken(inbox: Inbox, pair: tuple[str, str]) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(BOOK, ANSWER)
        for name in pair:
            archive.writestr(name, b"which?")
    (inbox.folder / "ada_01-boxes.zip").write_bytes(stream.getvalue())
    [outcome] = inbox.collect()
    assert outcome["status"] == "collected"
    assert outcome["refused"][-1]["path"] == pair[1]
    assert f"ada/01-boxes/{pair[1]}" not in inbox.taken()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_notebooks_of_one_name_are_no_hand_in(inbox: Inbox) -> None:
    (inbox.folder / "x.zip").write_bytes(zipped((entry(INSIDE), b"other")))
    [outcome] = inbox.collect()
    assert outcome["status"] == "refused"
    assert len(outcome["refused"]) == 2


def test_encrypted_entries_are_refused(inbox: Inbox) -> None:
    content = bytearray(zipped((entry("01-boxes/start.sh"), b"secret")))
    at = content.rindex(b"PK\x01\x02") + 8
    content[at] |= 1
    (inbox.folder / "x.zip").write_bytes(bytes(content))
    [outcome] = inbox.collect()
    assert outcome["refused"] == [{"path": "01-boxes/start.sh", "reason": "encrypted"}]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_a_bound_are_refused(inbox: Inbox, method: int) -> None:
    (inbox.folder / "x.zip").write_bytes(
        zipped((entry("01-boxes/big", method=method), b"0" * 10_000_000))
    )
    [outcome] = inbox.collect()
    assert "method" in outcome["refused"][0]["reason"]


def bomb(size: int) -> bytes:
    return zipped((entry("01-boxes/bomb.ipynb"), b"\0" * size))


def lying_bomb(size: int) -> bytes:
    """A bomb whose directory says that it unpacks to ten bytes."""
    content = bytearray(bomb(size))
    for signature, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = content.rindex(signature) + offset
        struct.pack_into("<I", content, at, 10)
    return bytes(content)


@pytest.mark.parametrize("make", [bomb, lying_bomb])
def test_a_bomb_is_refused_in_little_memory(inbox: Inbox, make: Callable[[int], bytes]) -> None:
    (inbox.folder / "x.zip").write_bytes(make(200 << 20))
    tracemalloc.start()
    [outcome] = inbox.collect()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert outcome["status"] == "collected"
    assert outcome["refused"][0]["path"] == "01-boxes/bomb.ipynb"
    assert peak < 64 << 20


def test_many_files_are_refused_above_the_limits(inbox: Inbox) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(BOOK, ANSWER)
        for number in range(300):
            archive.writestr(f"f{number}", b"")
    (inbox.folder / "ada_01-boxes.zip").write_bytes(stream.getvalue())
    [outcome] = inbox.collect()
    assert len(inbox.taken()) == 200
    assert {one["reason"] for one in outcome["refused"]} == {"more than 200 files"}


def test_the_total_size_is_limited(inbox: Inbox) -> None:
    noise = random.Random(1).randbytes(1 << 20)
    (inbox.folder / "ada_01-boxes.zip").write_bytes(
        stored({BOOK: ANSWER, **{f"f{number:02}": noise for number in range(35)}})
    )
    [outcome] = inbox.collect()
    assert outcome["status"] == "collected"
    assert outcome["refused"]
    assert (
        sum(path.stat().st_size for path in inbox.submitted.rglob("*") if path.is_file())
        <= 32 << 20
    )


def test_an_archive_that_lists_a_million_files_is_refused_unread(inbox: Inbox) -> None:
    one = b"PK\x01\x02" + b"\0" * 42
    directory = one * 300_000
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 0xFFFE, 0xFFFE, len(directory), 0, 0)
    (inbox.folder / "x.zip").write_bytes(directory + end)
    tracemalloc.start()
    [outcome] = inbox.collect()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert outcome["reason"] == "an archive of more than 50000 files"
    assert peak < 64 << 20


def test_an_archive_in_an_archive_in_an_archive_is_not_opened(inbox: Inbox) -> None:
    (inbox.folder / "class.zip").write_bytes(
        stored({"ada_01-boxes.zip": stored({"deeper.zip": zipped()})})
    )
    [outcome] = inbox.collect()
    assert outcome["status"] == "refused"
    assert inbox.taken() == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK",
        b"PK\x05\x06" + b"\0" * 18,
        b"not a zip at all",
        zipped()[:-30],
        zipped()[:100],
        b"\x1f\x8b\x08" + b"\0" * 100,
    ],
    ids=["empty", "two bytes", "no entries", "text", "tail cut off", "head only", "gzip"],
)
def test_what_is_no_sound_zip_is_refused(inbox: Inbox, content: bytes) -> None:
    (inbox.folder / "x.zip").write_bytes(content)
    (inbox.folder / "y.zip").write_bytes(zipped())
    bad, good = inbox.collect()
    assert bad["status"] == "refused"
    assert good["status"] == "collected"


def test_a_name_in_invalid_utf8_is_refused(inbox: Inbox) -> None:
    content = zipped((entry("01-boxes/\u00e9\u00e9"), b"x")).replace(
        "\u00e9\u00e9".encode(), b"\xff\xfe\xff\xfe"
    )
    (inbox.folder / "x.zip").write_bytes(content)
    assert "damaged zip" in inbox.collect()[0]["reason"]


def test_whatever_the_bytes_collect_ends_well(inbox: Inbox) -> None:
    """300 archives, each damaged in another way: each ends as collected or refused, none raises,
    none writes elsewhere.
    """
    source = random.Random(20251124)
    sound = zipped(
        (entry("01-boxes/start.sh"), b"#!/bin/sh\n"),
        (entry("01-boxes/link", 0o120777), b"/etc/passwd"),
    )
    bulk = stored({"ada_01-boxes.zip": sound, "bob_01-boxes.ipynb": ANSWER})
    interesting = [0, 1, 0x2E, 0x2F, 0x7F, 0x80, 0xFF]
    for number in range(300):
        content = bytearray(source.choice((sound, bulk)))
        for _ in range(source.randint(1, 8)):
            at = (
                source.randrange(len(content))
                if source.random() < 0.5
                else source.randrange(max(0, len(content) - 600), len(content))
            )
            content[at] = source.choice(interesting)
        if source.random() < 0.2:
            del content[source.randrange(len(content)) :]
        (inbox.folder / f"{number}.zip").write_bytes(bytes(content))
    outcomes = inbox.collect()
    assert {one["status"] for one in outcomes} <= {
        "collected",
        "replaced",
        "earlier",
        "unchanged",
        "refused",
    }
    assert {one["source"].split(".zip")[0] for one in outcomes} == {
        str(number) for number in range(300)
    }
