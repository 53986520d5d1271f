"""The students' edition: the course in one file, without what only instructors may read.

A file goes in only if it is in a part that students get (``PARTS``) and git tracks it: whatever
else lies in the checkout stays there.
"""

import gzip
import io
import os
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from grader.course import RELEASE, SOURCE, sources
from lab.errors import LabError
from lab.files import write_whole
from lab.machine.workspace import is_left_out

TOP = "docker-kubernetes-course"  # the folder that the file unpacks to
# Of the checkout. The exercises are added as they are released.
PARTS = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "LICENSES",
    "README.md",
    "SECURITY.md",
    "bin",
    "course",
    "dependencies.json",
    "docs",
    "environment.yml",
    "grader",
    "lab",
    "pyproject.toml",
    "requirements-image.txt",
    "requirements-test.txt",  # bin/lab docs installs it
    "requirements.txt",
)
COMMAND = "bin/lab"
# Of every file, so that the same files give the same bytes. A wheel holds none from before 1980.
DATE = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Entry:
    """One file of the edition; ``name`` is its path below the top folder."""

    name: str
    content: bytes
    executable: bool

    @property
    def mode(self) -> int:
        """Its permissions, which do not depend on the umask of whoever checked it out."""
        return 0o755 if self.executable else 0o644


@dataclass(frozen=True)
class Packed:
    """What was packed: how many files, and what was left out because git does not track it."""

    files: int
    left_out: list[str]


Packer = Callable[[Sequence[Entry]], bytes]


def packer(target: Path) -> Packer:
    """What packs files as the name of ``target`` says. Raises LabError for another ending."""
    for ending, pack in _PACKERS.items():
        if target.name.endswith(ending):
            return pack
    raise LabError(
        f"The students' edition cannot be written to {target.name}: its name has to end with"
        f" {' or '.join(_PACKERS)}.",
        f"--edition {TOP}.zip",
    )


def write(course: Path, assignments: Sequence[str], target: Path) -> Packed:
    """Pack the edition with these exercises (none named: all), as ``assignments/`` has them now.

    The same files always give the same bytes. Raises LabError, and then nothing is written.
    """
    pack = packer(target)
    names = _names(course, assignments or sources(course))
    entries = [_entry(course, name) for name in names if (course / name).is_file()]
    try:
        write_whole(target, pack(entries), (os.getuid(), os.getgid()))
    except OSError as error:
        raise LabError(
            f"The students' edition cannot be written to {target} ({error.strerror}).",
            "name a file in a folder that exists and that you may write to.",
        ) from error
    untracked = _git(course, "--others", "--exclude-standard", "--directory", "--", *PARTS, SOURCE)
    return Packed(len(entries), untracked)


def _names(course: Path, assignments: Sequence[str]) -> list[str]:
    """The paths in the checkout of all that goes in, sorted."""
    tracked = _git(course)
    if COMMAND not in tracked:
        raise LabError(
            f"{course} is not a checkout of the course: git tracks no {COMMAND} there.",
            "run this in a checkout of the course (git clone).",
        )
    given = [name for name in tracked if name.split("/")[0] in PARTS and not is_left_out(name)]
    written = [name.split("/", 1)[1] for name in tracked if name.startswith(f"{SOURCE}/")]
    released = [f"{RELEASE}/{name}" for name in written if name.split("/")[0] in assignments]
    return sorted([*given, *released])


def _git(course: Path, *options: str) -> list[str]:
    """What ``git ls-files`` lists, as paths from the course's folder."""
    command = ["git", "-C", str(course), "ls-files", "-z", *options]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", b"").decode(errors="replace").strip() or error
        raise LabError(
            f"Only git knows which files in {course} are the course's, and it does not say so:"
            f" {said}",
            "run this in a checkout of the course (git clone).",
        ) from error
    return [os.fsdecode(name) for name in listed.split(b"\0") if name]


def _entry(course: Path, name: str) -> Entry:
    path = course / name
    # a link could lead to a file that git does not track
    if path.resolve() != course.resolve() / name:
        raise LabError(
            f"Nothing was packed: {name} is a link, or below one.",
            "put the file itself there, then release again.",
        )
    return Entry(name, path.read_bytes(), os.access(path, os.X_OK))


def _zip(entries: Sequence[Entry]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in entries:
            info = zipfile.ZipInfo(f"{TOP}/{entry.name}", DATE.timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o100000 | entry.mode) << 16
            archive.writestr(info, entry.content)
    return stream.getvalue()


def _tar(entries: Sequence[Entry]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for entry in entries:
            info = tarfile.TarInfo(f"{TOP}/{entry.name}")
            info.size, info.mode = len(entry.content), entry.mode
            info.mtime = int(DATE.timestamp())
            archive.addfile(info, io.BytesIO(entry.content))
    return gzip.compress(stream.getvalue(), mtime=0)


_PACKERS: dict[str, Packer] = {".zip": _zip, ".tar.gz": _tar}
