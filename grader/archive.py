"""Reading what nobody has vouched for: archives and folders from strangers, within limits, never
through a link.

A *member* is one regular file in there. What a hand-in never needs (links, devices, encrypted
entries, names that climb out of the folder) comes back as a *refusal* with its reason; the rest is
taken.
"""

import errno
import io
import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

MIB = 1 << 20
CENTRAL_ENTRY = re.compile(rb"PK\x01\x02")  # begins each entry of a zip's directory
JUNK = {
    ".ipynb_checkpoints",
    "__pycache__",
    "__MACOSX",
    ".git",
    ".venv",
    "node_modules",
    ".DS_Store",
    "Thumbs.db",
    "desktop.ini",
}


@dataclass(frozen=True)
class HandInLimits:
    """What one hand-in may hold: above ``entries`` all of it is refused, else single files."""

    entries: int = 1000
    files: int = 200
    file_bytes: int = 1 * MIB
    notebook_bytes: int = 16 * MIB
    total_bytes: int = 32 * MIB
    archive_bytes: int = 40 * MIB
    ratio: int = 300  # unpacked to packed size, for files over file_bytes
    depth: int = 8

    def for_file(self, path: str) -> int:
        """The most bytes that a file of this name may have."""
        return self.notebook_bytes if path.lower().endswith(".ipynb") else self.file_bytes


HAND_IN = HandInLimits()


class UntrustedError(Exception):
    """Why something is not taken: one clause for the table that the instructor reads."""


@dataclass(frozen=True)
class Refusal:
    """One file not taken. ``path`` is as the stranger wrote it: show it by ``printable``."""

    path: str
    reason: str


@dataclass(frozen=True)
class Member:
    """One regular file; ``read(most)`` raises UntrustedError when it is larger."""

    path: str
    read: Callable[[int], bytes]
    time: datetime | None = None  # last changed, in local time, where it is known


@dataclass
class Contents:
    """What was taken (path → bytes) and what was not."""

    files: dict[str, bytes] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)


def printable(text: str, kept: str = "") -> str:
    r"""The text with everything escaped that could move a cursor or hide, but what is ``kept``.

    >>> printable("a\x1b[2Jb\n")
    'a\\x1b[2Jb\\n'
    >>> printable("a\x1b[31mb\nc", kept="\n")
    'a\\x1b[31mb\nc'
    """
    return "".join(
        char
        if char.isprintable() or char in kept
        else char.encode("unicode_escape", "surrogatepass").decode()
        for char in text
    )


def take(entries: Iterable[Member | Refusal], limits: HandInLimits = HAND_IN) -> Contents:
    """Read all members into memory, notebooks first, as far as the limits go."""
    members, refused = unambiguous(entries)
    contents = Contents(refused=refused)
    room = limits.total_bytes
    for member in sorted(
        members, key=lambda member: (not member.path.lower().endswith(".ipynb"), member.path)
    ):
        try:
            if len(contents.files) >= limits.files:
                raise UntrustedError(f"more than {limits.files} files")
            most = min(room, limits.for_file(member.path))
            content = member.read(most)
        except UntrustedError as why:
            contents.refused.append(Refusal(member.path, str(why)))
        else:
            contents.files[member.path] = content
            room -= len(content)
    return contents


def unambiguous(entries: Iterable[Member | Refusal]) -> tuple[list[Member], list[Refusal]]:
    """Keep members with a safe name of their own: of two of one name, both go."""
    members: list[Member] = []
    refused: list[Refusal] = []
    for entry in entries:
        problem = _name_problem(entry.path) if isinstance(entry, Member) else None
        if isinstance(entry, Refusal):
            refused.append(entry)
        elif problem:
            refused.append(Refusal(entry.path, problem))
        elif JUNK.isdisjoint(entry.path.split("/")):
            members.append(entry)
    times = Counter(same_name(member.path) for member in members)
    kept: list[Member] = []
    for member in members:
        if times[same_name(member.path)] == 1 and not _file_above(member.path, times):
            kept.append(member)
        else:
            refused.append(
                Refusal(
                    member.path,
                    "another file there has the same name (upper and lower case count as the same)",
                )
            )
    return kept, refused


@contextmanager
def opened_zip(
    source: Path | bytes, limits: HandInLimits = HAND_IN
) -> Iterator[list[Member | Refusal]]:
    """The members of a zip, to be read inside the block. UntrustedError: it is no sound zip."""
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    if size > limits.archive_bytes:
        raise UntrustedError(
            f"an archive of {size // MIB} MiB; the most is {limits.archive_bytes // MIB} MiB"
        )
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
        # Counted before zipfile makes an object of each: a small archive can list millions.
        if (
            sum(len(CENTRAL_ENTRY.findall(block)) for block in iter(lambda: stream.read(MIB), b""))
            > limits.entries
        ):
            raise UntrustedError(f"an archive of more than {limits.entries} files")
        with _archive(stream) as archive:
            yield [
                _zip_member(archive, entry, limits)
                for entry in archive.infolist()
                if not entry.is_dir()
            ]


def folder_members(folder: Path, limits: HandInLimits = HAND_IN) -> Iterator[Member | Refusal]:
    """The members of a folder. No link is followed, not even one put there meanwhile."""
    seen = 0
    for where, folders, files in os.walk(folder):
        here = Path(where)
        below = here.relative_to(folder)
        folders[:] = sorted(name for name in folders if name not in JUNK)
        if len(below.parts) >= limits.depth and folders:
            folders.clear()
            yield Refusal(f"{below}/", f"folders nested more than {limits.depth} deep")
        for name in sorted(files + [name for name in folders if (here / name).is_symlink()]):
            seen += 1
            if seen > limits.entries:
                raise UntrustedError(f"holds more than {limits.entries} files")
            yield _folder_member(folder, below / name)


def read_file(path: Path, most: int, beneath: Path | None = None) -> bytes:
    """The bytes of a regular file; UntrustedError for anything else or for more than ``most``.

    With ``beneath`` (a folder above it) no link is followed on the way from there, and a second
    name is refused.
    """
    try:
        descriptor = (
            _open_beneath(beneath, path.relative_to(beneath)) if beneath else os.open(path, _READ)
        )
    except OSError as error:
        raise UntrustedError(
            "a link" if error.errno == errno.ELOOP else f"cannot be read ({error.strerror})"
        ) from error
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UntrustedError("not a regular file")
        if beneath and status.st_nlink > 1:
            raise UntrustedError("a hard link: it has another name elsewhere")
        return _at_most(stream.read(most + 1), most)


_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    ValueError,
    RuntimeError,
    OSError,
    struct.error,
)
_READ = os.O_RDONLY | os.O_NONBLOCK  # a pipe must not make the reader wait
_NO_LINK = _READ | os.O_NOFOLLOW


def _open_beneath(folder: Path, path: Path) -> int:
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for part in path.parts[:-1]:
        try:
            below = os.open(part, _NO_LINK | os.O_DIRECTORY, dir_fd=at)
        finally:
            os.close(at)
        at = below
    try:
        return os.open(path.name, _NO_LINK, dir_fd=at)
    finally:
        os.close(at)


def _folder_member(folder: Path, path: Path) -> Member | Refusal:
    full = folder / path
    try:
        status = full.lstat()
    except OSError as error:
        return Refusal(str(path), f"cannot be read ({error.strerror})")
    if not stat.S_ISREG(status.st_mode):
        return Refusal(
            str(path), "a link" if stat.S_ISLNK(status.st_mode) else "not a regular file"
        )
    changed = _moment(lambda: datetime.fromtimestamp(status.st_mtime))
    return Member(path.as_posix(), lambda most: read_file(full, most, beneath=folder), changed)


def _archive(stream: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(stream)
    except (*_DAMAGE, OverflowError) as error:
        raise UntrustedError(
            f"a damaged zip ({printable(str(error)) or type(error).__name__})"
        ) from error


def _zip_member(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limits: HandInLimits
) -> Member | Refusal:
    reason = _entry_problem(entry, limits)
    if reason:
        return Refusal(entry.orig_filename, reason)

    def read(most: int) -> bytes:
        try:
            with archive.open(entry) as stream:
                return _at_most(stream.read(most + 1), most)
        except _DAMAGE as error:
            raise UntrustedError("damaged in the archive") from error

    return Member(entry.orig_filename, read, _moment(lambda: datetime(*entry.date_time)))


def _moment(read: Callable[[], datetime]) -> datetime | None:
    """None for a date that no calendar has, which both formats can hold."""
    try:
        return read()
    except (ValueError, OverflowError, OSError):
        return None


def _entry_problem(entry: zipfile.ZipInfo, limits: HandInLimits) -> str | None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if entry.flag_bits & 0x1:
        return "encrypted"
    if kind not in (0, stat.S_IFREG):
        return "a link" if kind == stat.S_IFLNK else "not a regular file"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # others unpack without a bound
        return "packed by a method other than zip's usual one (deflate)"
    if entry.file_size > max(limits.file_bytes, limits.ratio * entry.compress_size):
        return f"unpacks to more than {limits.ratio} times its size"
    return None


def _at_most(content: bytes, most: int) -> bytes:
    if len(content) > most:
        raise UntrustedError(
            f"larger than {most // MIB} MiB"
            if most >= MIB
            else "too large together with the files before it"
        )
    return content


def _name_problem(path: str) -> str | None:
    parts = path.split("/")
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        return "an absolute path"
    if "\\" in path or not path.isprintable():
        return "a name with characters that no file of the course has"
    if not set(parts).isdisjoint({"", ".", ".."}):
        return "a path that leaves its folder"
    if (
        len(path.encode()) > 400
        or any(len(part.encode()) > 200 for part in parts)
        or len(parts) > HAND_IN.depth + 2
    ):
        return "a name that is too long"
    if any(part != part.strip() or part.endswith(".") for part in parts):
        return "a name that begins or ends with a space, or ends with a dot"
    return None


def same_name(path: str) -> str:
    """Equal for names that some file system takes for one."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())


def _file_above(path: str, times: Counter[str]) -> bool:
    parts = same_name(path).split("/")
    return any("/".join(parts[:end]) in times for end in range(1, len(parts)))
