"""``submitted/<student>/<assignment>/``; earlier hand-ins are in ``submitted/.earlier/``."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from filelock import FileLock, Timeout

from grader.archive import UntrustedError
from grader.course import SUBMITTED, TIMESTAMP
from lab.errors import LabError

EARLIER = ".earlier"
INCOMING = ".incoming-"


class HandInStatus(StrEnum):
    """What happened to a hand-in."""

    COLLECTED = "collected"
    REPLACED = "replaced"  # collected, and an older one went to .earlier
    EARLIER = "earlier"  # a newer one is there, so this one is kept in .earlier
    UNCHANGED = "unchanged"  # was collected before
    REFUSED = "refused"


class Submissions:
    """One course's submitted folder, made by ``open_submissions``; nothing else is written."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def place(
        self, student: str, assignment: str, files: Mapping[str, bytes], time: datetime
    ) -> HandInStatus:
        """Store a hand-in whole. The newest stays in place; the same files again change nothing.

        ``student`` and ``assignment`` are single folder names. Raises UntrustedError if a name is
        taken in another case.
        """
        present = self.root / student / assignment
        self._require_own_name(student)
        earlier = self.root / EARLIER / student / assignment
        if present.is_dir() and any(
            _content(folder) == dict(files) for folder in (present, *_folders(earlier))
        ):
            return HandInStatus.UNCHANGED
        with tempfile.TemporaryDirectory(prefix=INCOMING, dir=self.root) as temporary:
            fresh = Path(temporary) / assignment
            _write(fresh, files, time)
            if present.is_dir() and time <= self._time(present):
                _move(fresh, _free(earlier, time))
                return HandInStatus.EARLIER
            return self._put(fresh, present, earlier)

    def _put(self, fresh: Path, present: Path, earlier: Path) -> HandInStatus:
        present.parent.mkdir(exist_ok=True)
        if not present.is_dir():
            fresh.rename(present)
            return HandInStatus.COLLECTED
        kept = _free(earlier, self._time(present))
        _move(present, kept)
        try:
            fresh.rename(present)
        except BaseException:
            kept.rename(present)
            raise
        return HandInStatus.REPLACED

    def _require_own_name(self, student: str) -> None:
        folder = self.root / student
        if folder.is_symlink():
            raise UntrustedError(f"{SUBMITTED}/{student} is a link")
        for other in _folders(self.root):
            if other.name != student and other.name.casefold() == student.casefold():
                raise UntrustedError(
                    f"`{student}` and `{other.name}`, who handed in before, differ only in upper"
                    f" and lower case: use --student {other.name} if they are the same person"
                )

    @staticmethod
    def _time(folder: Path) -> datetime:
        """When the hand-in in a folder was made; the beginning of time if that is not known."""
        try:
            text = (folder / TIMESTAMP).read_text().strip().removesuffix(" UTC")
            return datetime.fromisoformat(text).replace(tzinfo=UTC)
        except (OSError, ValueError):
            return datetime.min.replace(tzinfo=UTC)


@contextmanager
def open_submissions(course: Path) -> Iterator[Submissions]:
    """The course's submissions, for this process alone while the block runs."""
    root = course / SUBMITTED
    root.mkdir(exist_ok=True)
    lock = FileLock(root / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise LabError(
            f"Another `bin/lab collect` is running in {root}.",
            "wait until it has finished, then run this again.",
        ) from error
    try:
        for leftover in root.glob(f"{INCOMING}*"):
            shutil.rmtree(leftover)
        yield Submissions(root)
    finally:
        lock.release()


def stamp(time: datetime) -> str:
    """A time as nbgrader writes it into timestamp.txt.

    >>> stamp(datetime(2025, 11, 24, 10, 30, tzinfo=UTC))
    '2025-11-24 10:30:00.000000 UTC'
    """
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f} UTC"


def _write(folder: Path, files: Mapping[str, bytes], time: datetime) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / TIMESTAMP).write_text(stamp(time))


def _content(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in paths
        if path != folder / TIMESTAMP
    }


def _folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def _free(earlier: Path, time: datetime) -> Path:
    """A folder in ``earlier`` that is not there yet, named for the time."""
    name = f"{time:%Y-%m-%dT%H-%M-%SZ}" if time.year > 1 else "unknown-time"
    candidates = (
        earlier / (name if number == 1 else f"{name}-{number}") for number in range(1, 10_000)
    )
    return next(path for path in candidates if not path.exists())


def _move(folder: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(to)
