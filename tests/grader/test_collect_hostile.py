"""`lab collect` on files from people who wish the grader ill: each refused with its reason, the rest taken, nothing else touched."""

import io
import json
import os
import random
import shutil
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from grader import collect as collecting
from grader.handin import described, pack

FIXTURE = Path(__file__).parent / "fixtures" / "release"
BOOK = "01-boxes.ipynb"
INSIDE = f"01-boxes/{BOOK}"
NOON = datetime(2025, 11, 24, 12, 0, tzinfo=UTC)
ANSWER = (FIXTURE / "assignments/01-boxes" / BOOK).read_bytes()
SECRET = "outside"


class Inbox:
    """A course, a folder of handed-in files, and a secret that must neither be read nor changed."""

    def __init__(self, root: Path) -> None:
        self.course = root / "course"
        self.folder = root / "inbox"
        self.folder.mkdir()
        self.secret = root / "secret.txt"
        self.secret.write_text(SECRET)
        shutil.copytree(FIXTURE / "assignments", self.course / "assignments")

    def collect(self, *arguments: str | Path) -> list[dict[str, Any]]:
        """Collect the whole folder; fails when anything outside submitted/ has changed."""
        before = self._outside()
        result = CliRunner().invoke(collecting.commands[0], [str(self.folder), *map(str, arguments), "--json", "--course", str(self.course)])
        assert result.exit_code == 0, (result.output, result.exception)
        assert self._outside() == before
        assert not [path for path in self.submitted.rglob("*") if not (path.is_dir() or path.is_file()) or path.is_symlink()]
        assert all(SECRET.encode() not in path.read_bytes() for path in self.submitted.rglob("*") if path.is_file())
        hand_ins: list[dict[str, Any]] = json.loads(result.output)["hand_ins"]
        return hand_ins

    @property
    def submitted(self) -> Path:
        return self.course / "submitted"

    def taken(self) -> list[str]:
        return sorted(path.relative_to(self.submitted).as_posix() for path in self.submitted.rglob("*")
                      if path.is_file() and path.name not in (".lock", "timestamp.txt"))

    def _outside(self) -> dict[str, bytes]:
        root = self.course.parent
        return {str(path): path.read_bytes() for path in root.rglob("*")
                if path.is_file() and not path.is_symlink() and self.submitted not in path.parents}


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path)


def entry(name: str, mode: int = 0o100644, method: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, (2025, 11, 24, 12, 0, 0))
    info.create_system = 3
    info.external_attr = mode << 16
    info.compress_type = method
    return info


def manifest(**changed: Any) -> bytes:
    content = json.loads(described("ada", "01-boxes", NOON, {BOOK: ANSWER}).to_json())
    return json.dumps({**content, **changed}).encode()


def zipped(*more: tuple[zipfile.ZipInfo, bytes], described_by: bytes | None = None) -> bytes:
    """A hand-in of ada with more entries than its manifest lists."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", manifest() if described_by is None else described_by)
        archive.writestr(INSIDE, ANSWER)
        for info, content in more:
            archive.writestr(info, content)
    return stream.getvalue()


@pytest.mark.parametrize(("name", "reason"), [
    ("../../evil.txt", "leaves its folder"), ("01-boxes/../../../evil.txt", "leaves its folder"), ("01-boxes//evil.txt", "leaves its folder"),
    ("./evil.txt", "leaves its folder"), ("/etc/evil.txt", "absolute"), ("C:/evil.txt", "absolute"), ("c:evil.txt", "absolute"),
    ("..\\..\\evil.txt", "characters"), ("01-boxes/a\x1b[2Jb", "characters"), ("01-boxes/a\nb", "characters"), ("01-boxes/a\u202eb", "characters"),
    ("01-boxes/" + "a" * 250, "too long"), ("/".join("a" * 20), "too long"), ("01-boxes/ a", "space"), ("01-boxes/a.", "dot"),
    ("01-boxes/extra.ipynb", "not in its manifest"), ("other/file.txt", "not in its manifest"),
])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_have_no_place_are_refused_and_the_rest_is_taken(inbox: Inbox, name: str, reason: str) -> None:
    (inbox.folder / "x.zip").write_bytes(zipped((entry(name), b"evil")))
    [outcome] = inbox.collect()
    assert outcome["status"] == "collected"
    assert [one["path"] for one in outcome["refused"]] == [name]
    assert reason in outcome["refused"][0]["reason"]
    assert inbox.taken() == [f"ada/01-boxes/{BOOK}"]


def test_a_null_byte_does_not_shorten_a_name(inbox: Inbox) -> None:
    content = zipped((entry("01-boxes/run.shXevil"), b"evil")).replace(b"run.shXevil", b"run.sh\x00evil")
    (inbox.folder / "x.zip").write_bytes(content)
    [outcome] = inbox.collect()
    assert "characters" in outcome["refused"][0]["reason"]
    assert inbox.taken() == [f"ada/01-boxes/{BOOK}"]


@pytest.mark.parametrize(("mode", "reason"), [
    (0o120777, "a link"), (0o020644, "not a regular file"), (0o060644, "not a regular file"), (0o010644, "not a regular file"), (0o140644, "not a"),
])
def test_links_and_devices_in_a_zip_are_refused(inbox: Inbox, mode: int, reason: str) -> None:
    (inbox.folder / "x.zip").write_bytes(zipped((entry("01-boxes/start.sh", mode), str(inbox.secret).encode())))
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


@pytest.mark.parametrize("pair", [("a.txt", "a.txt"), ("Dockerfile", "dockerfile"), ("stra\u00dfe", "STRASSE"), ("\u00e9", "e\u0301"), ("app", "app/x"), ("App", "app/x")])
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
    (inbox.folder / "x.zip").write_bytes(zipped((entry("01-boxes/big", method=method), b"0" * 10_000_000)))
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
    (inbox.folder / "ada_01-boxes.zip").write_bytes(_stored({BOOK: ANSWER, **{f"f{number:02}": noise for number in range(35)}}))
    [outcome] = inbox.collect()
    assert outcome["status"] == "collected"
    assert outcome["refused"]
    assert sum(path.stat().st_size for path in inbox.submitted.rglob("*") if path.is_file()) <= 32 << 20


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


def _stored(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def test_an_archive_in_an_archive_in_an_archive_is_not_opened(inbox: Inbox) -> None:
    (inbox.folder / "class.zip").write_bytes(_stored({"ada_01-boxes.zip": _stored({"deeper.zip": zipped()})}))
    [outcome] = inbox.collect()
    assert outcome["status"] == "refused"
    assert inbox.taken() == []


@pytest.mark.parametrize("content", [
    b"", b"PK", b"PK\x05\x06" + b"\0" * 18, b"not a zip at all", zipped()[:-30], zipped()[:100], b"\x1f\x8b\x08" + b"\0" * 100,
], ids=["empty", "two bytes", "no entries", "text", "tail cut off", "head only", "gzip"])
def test_what_is_no_sound_zip_is_refused(inbox: Inbox, content: bytes) -> None:
    (inbox.folder / "x.zip").write_bytes(content)
    (inbox.folder / "y.zip").write_bytes(zipped())
    bad, good = inbox.collect()
    assert bad["status"] == "refused"
    assert good["status"] == "collected"


def test_a_name_in_invalid_utf8_is_refused(inbox: Inbox) -> None:
    content = zipped((entry("01-boxes/\u00e9\u00e9"), b"x")).replace("\u00e9\u00e9".encode(), b"\xff\xfe\xff\xfe")
    (inbox.folder / "x.zip").write_bytes(content)
    assert "damaged zip" in inbox.collect()[0]["reason"]


def test_a_changed_file_does_not_pass_for_the_packed_one(inbox: Inbox) -> None:
    other = described("ada", "01-boxes", NOON, {BOOK: b"something else"})
    (inbox.folder / "x.zip").write_bytes(pack(other, {BOOK: ANSWER}))
    assert "not those that were packed" in inbox.collect()[0]["reason"]


@pytest.mark.parametrize("content", [
    b"", b"{", b"[]", b"null", b"1" * 5000, b"[" * 100_000, b"\xff\xfe", manifest(schema=2), manifest(schema=[]), manifest(files=[]), manifest(files=3),
    manifest(files={BOOK: 1}), manifest(student=None), manifest(student=["ada"]), manifest(time="yesterday"), manifest(time=0), manifest(time="0001-01-01T00:00:00+14:00"),
    manifest(assignment=None), manifest(files={"missing": "0"}), manifest(files={"../../../secret.txt": "0"}), manifest(note="x" * 300_000),
], ids=range(21))
def test_a_manifest_that_is_none_is_refused(inbox: Inbox, content: bytes) -> None:
    (inbox.folder / "x.zip").write_bytes(zipped(described_by=content))
    [outcome] = inbox.collect()
    assert outcome["status"] == "refused"
    assert outcome["reason"]
    assert inbox.taken() == []


@pytest.mark.parametrize("student", [
    "", " ", ".", "..", "../ada", "/etc/cron.d/x", "a/b", "a\\b", "a" * 65, "\U00020000" * 64, "a\nb", "a\x00b", "a\x1b[31m", "<script>alert(1)</script>",
    ".earlier", ".lock", "-rf", "a*", "a+b", "$(id)", "\u202eada", "ada.", "\ud800",
])
def test_a_student_of_an_impossible_name_is_refused(inbox: Inbox, student: str) -> None:
    (inbox.folder / "x.zip").write_bytes(zipped(described_by=manifest(student=student)))
    [outcome] = inbox.collect()
    assert outcome["status"] == "refused"
    assert "student's name" in outcome["reason"]
    assert inbox.taken() == []
    assert inbox.collect("--student", "ada")[0]["status"] == "collected"


@pytest.mark.parametrize("assignment", ["", ".", "..", "../01-boxes", "/01-boxes", "99-none", "01-BOXES", "01-boxes/", "a\nb"])
def test_an_unknown_assignment_is_refused(inbox: Inbox, assignment: str) -> None:
    files = {BOOK: ANSWER}
    (inbox.folder / "x.zip").write_bytes(pack(described("ada", assignment, NOON, files), files))
    [outcome] = inbox.collect()
    assert outcome["status"] == "refused"
    assert inbox.taken() == []


def test_a_time_to_come_is_not_believed(inbox: Inbox) -> None:
    (inbox.folder / "x.zip").write_bytes(zipped(described_by=manifest(time="9998-01-01T00:00:00+00:00")))
    [outcome] = inbox.collect()
    assert datetime.fromisoformat(outcome["time"]) <= datetime.now(UTC) + timedelta(seconds=1)
    assert "time still to come" in outcome["notes"][0]


def test_a_name_in_another_case_is_not_taken_for_a_second_student(inbox: Inbox) -> None:
    (inbox.folder / "1.zip").write_bytes(zipped())
    (inbox.folder / "2.zip").write_bytes(zipped(described_by=manifest(student="ADA", time="2025-11-24T13:00:00+00:00")))
    first, second = inbox.collect()
    assert first["status"] == "collected"
    assert "--student ada" in second["reason"]


def test_names_reserved_for_the_tree_itself_are_ours(inbox: Inbox) -> None:
    late = _stored({BOOK: ANSWER, "timestamp.txt": b"1999-01-01 00:00:00 UTC", "submission_secret.txt": b"x"})
    (inbox.folder / "ada_01-boxes.zip").write_bytes(late)
    inbox.collect()
    assert inbox.taken() == [f"ada/01-boxes/{BOOK}"]
    assert "1999" not in (inbox.submitted / "ada/01-boxes/timestamp.txt").read_text()


def test_links_and_pipes_in_a_folder_are_reported_and_not_followed(inbox: Inbox) -> None:
    (inbox.folder / "ada_01-boxes.ipynb").symlink_to(inbox.secret)
    (inbox.folder / "bob_01-boxes.zip").symlink_to(inbox.secret)
    (inbox.folder / "everything").symlink_to("/")
    os.mkfifo(inbox.folder / "cy_01-boxes.zip")
    os.mkfifo(inbox.folder / "dan_01-boxes.ipynb")
    assert {one["source"]: one["reason"] for one in inbox.collect()} == {
        "ada_01-boxes.ipynb": "a link", "bob_01-boxes.zip": "a link", "everything": "a link",
        "cy_01-boxes.zip": "not a regular file", "dan_01-boxes.ipynb": "not a regular file"}


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
        "soft": "a link", "hard": "a hard link: it has another name elsewhere", "pipe": "not a regular file", "dir": "a link"}
    assert inbox.taken() == [f"ada/01-boxes/{BOOK}"]


def test_a_folder_nested_without_end_ends(inbox: Inbox) -> None:
    folder = inbox.folder / "ada+01-boxes+2025-11-24 09:00:00.000001 UTC+c2VjcmV0"
    (folder / "/".join("d" * 200)).mkdir(parents=True)
    (folder / BOOK).write_bytes(ANSWER)
    [outcome] = inbox.collect()
    assert outcome["status"] == "collected"
    assert "nested more than" in outcome["refused"][0]["reason"]


def test_a_submitted_folder_that_is_a_link_is_not_written_through(inbox: Inbox, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    inbox.submitted.mkdir()
    (inbox.submitted / "ada").symlink_to(tmp_path / "elsewhere")
    (inbox.folder / "x.zip").write_bytes(zipped())
    result = CliRunner().invoke(collecting.commands[0], [str(inbox.folder), "--course", str(inbox.course)])
    assert "is a link" in result.output
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_names_of_strangers_do_not_reach_the_terminal(inbox: Inbox) -> None:
    (inbox.folder / "a\x1b[2J[red]b.zip").write_bytes(zipped((entry("01-boxes/\x1b]0;owned\x07"), b"")))
    (inbox.folder / os.fsdecode(b"\xff\xfe.zip")).write_bytes(b"")
    result = CliRunner().invoke(collecting.commands[0], [str(inbox.folder), "--course", str(inbox.course)], env={"COLUMNS": "250"})
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    assert "\\x1b[2J[red]b.zip" in result.output


def test_a_killed_run_leaves_nothing_that_the_next_does_not_clear(inbox: Inbox) -> None:
    leftover = inbox.submitted / ".incoming-abc" / "01-boxes"
    leftover.mkdir(parents=True)
    (leftover / BOOK).write_text("half")
    (inbox.folder / "x.zip").write_bytes(zipped())
    inbox.collect()
    assert inbox.taken() == [f"ada/01-boxes/{BOOK}"]


def test_a_failure_while_replacing_restores_the_older_hand_in(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    (inbox.folder / "x.zip").write_bytes(zipped())
    inbox.collect()
    newer = {BOOK: ANSWER + b"\n"}
    (inbox.folder / "x.zip").write_bytes(pack(described("ada", "01-boxes", NOON + timedelta(hours=1), newer), newer))
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if ".incoming-" in str(self):
            raise OSError("disk full")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    result = CliRunner().invoke(collecting.commands[0], [str(inbox.folder), "--course", str(inbox.course)])
    assert isinstance(result.exception, OSError)
    assert (inbox.submitted / "ada/01-boxes" / BOOK).read_bytes() == ANSWER


def test_whatever_the_bytes_collect_ends_well(inbox: Inbox) -> None:
    """Thousands of damaged archives: each ends as collected or refused, none raises, none writes elsewhere."""
    source = random.Random(20251124)
    sound = zipped((entry("01-boxes/start.sh"), b"#!/bin/sh\n"), (entry("01-boxes/link", 0o120777), b"/etc/passwd"))
    bulk = _stored({"ada_01-boxes.zip": sound, "bob_01-boxes.ipynb": ANSWER})
    interesting = [0, 1, 0x2E, 0x2F, 0x7F, 0x80, 0xFF]
    for number in range(300):
        content = bytearray(source.choice((sound, bulk)))
        for _ in range(source.randint(1, 8)):
            at = source.randrange(len(content)) if source.random() < 0.5 else source.randrange(max(0, len(content) - 600), len(content))
            content[at] = source.choice(interesting)
        if source.random() < 0.2:
            del content[source.randrange(len(content)):]
        (inbox.folder / f"{number}.zip").write_bytes(bytes(content))
    outcomes = inbox.collect()
    assert {one["status"] for one in outcomes} <= {"collected", "replaced", "earlier", "unchanged", "refused"}
    assert {one["source"].split(".zip")[0] for one in outcomes} == {str(number) for number in range(300)}
