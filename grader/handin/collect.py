"""``lab collect``: handed-in files, treated as hostile, sorted into ``submitted/``."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path, PurePosixPath

from grader.archive import (
    HAND_IN,
    JUNK,
    MIB,
    Contents,
    HandInLimits,
    Member,
    Refusal,
    UntrustedError,
    folder_members,
    opened_zip,
    printable,
    read_file,
    take,
    unambiguous,
)
from grader.course import SUBMITTED
from grader.handin import lms
from grader.handin import tree as submissions
from grader.handin.manifest import (
    MANIFEST,
    RESERVED,
    Exercise,
    exchange_submission,
    is_foreign,
    notebook_cells,
    released,
    student_name,
)
from grader.handin.recognise import (
    HandIn,
    claimed_student,
    is_bulk,
    recognise,
    restore_names,
    with_manifest,
    without_top_folder,
)
from grader.handin.submit import REMEMBERED
from grader.handin.tree import HandInStatus
from lab.errors import LabError

# what a course site packs for a whole class
BULK = HandInLimits(entries=50_000, archive_bytes=1024 * MIB)
CLOCK_SKEW = timedelta(minutes=5)
NOBODY = {"student", "root", "jovyan"}  # login names that are the same in everyone's lab
Reader = Callable[[int], bytes]  # gives the content, or raises UntrustedError above so many bytes


@dataclass
class Collected:
    """What happened to one handed-in file."""

    source: str
    status: HandInStatus = HandInStatus.REFUSED
    student: str | None = None
    assignment: str | None = None
    time: str | None = None  # ISO 8601, UTC
    reason: str | None = None
    notes: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    failed: bool = False  # refused, since storing it failed: it may succeed another time


@dataclass(frozen=True)
class Overrides:
    """What the instructor said on the command line: it wins over all that the files claim."""

    assignment: str | None = None
    student: str | None = None
    received: datetime | None = None
    roster: Mapping[str, str] = field(default_factory=dict)


class Collector:
    """Collects into one course, one file after another; ``outcomes`` says what happened to each."""

    def __init__(
        self, tree: submissions.Submissions, exercises: Mapping[str, Exercise], overrides: Overrides
    ) -> None:
        self.outcomes: list[Collected] = []
        self._tree = tree
        self._exercises = exercises
        self._overrides = overrides
        # student and assignment → the course site's number of the uploader
        self._persons: dict[tuple[str, str], str] = {}

    def collect(self, path: Path) -> None:
        """Take a file, or everything in a folder. What is wrong with one hand-in stays with it."""
        if not path.is_dir():
            self._file(path.name, partial(read_file, path), _modified(path), path)
        elif exchange_submission(path.name):
            self._exchange(path, path.name)
        else:
            self._folder(path)

    def _folder(self, folder: Path) -> None:
        for path in _worth_a_look(folder):
            name = path.relative_to(folder).as_posix()
            mode = _mode(path)
            if stat.S_ISDIR(mode):
                self._exchange(path, name)
            elif stat.S_ISREG(mode):
                self._file(name, partial(read_file, path, beneath=folder), _modified(path), path)
            else:
                why = "a link" if stat.S_ISLNK(mode) else "not a regular file"
                self.outcomes.append(Collected(printable(name), reason=why))

    def _file(
        self, name: str, read: Reader, changed: datetime | None, bulk: Path | None = None
    ) -> None:
        """A zip or a notebook. ``bulk``: where to read it if it may be a whole class."""
        suffix = PurePosixPath(name).suffix.lower()
        with self._refusing(name):
            if suffix == ".ipynb":
                content = read(HAND_IN.notebook_bytes)
                self._judge(
                    HandIn(name, name, Contents({PurePosixPath(name).name: content}), changed)
                )
            elif suffix == ".zip":
                self._zip(
                    name,
                    bulk if bulk else read(HAND_IN.archive_bytes),
                    changed,
                    may_be_bulk=bulk is not None,
                )
            else:
                raise UntrustedError("neither a zip nor a notebook")

    @contextmanager
    def _refusing(self, name: str, outcome: Collected | None = None) -> Iterator[None]:
        """Whatever is wrong with this hand-in, the next ones are collected all the same."""
        why, failed = None, True
        try:
            yield
        except UntrustedError as error:
            why, failed = str(error), False
        except OSError as error:
            why = f"it could not be stored ({error.strerror or error})"
        except Exception as error:  # a fault of ours, which somebody may have provoked
            why = f"collecting it failed ({type(error).__name__}: {error})"
        if why is not None:
            if outcome is None:
                self.outcomes.append(outcome := Collected(printable(name)))
            outcome.reason, outcome.failed = printable(why), failed

    def _zip(
        self, name: str, source: Path | bytes, changed: datetime | None, may_be_bulk: bool
    ) -> None:
        with opened_zip(source, BULK if may_be_bulk else HAND_IN) as entries:
            members, refused = unambiguous(entries)
            if any(member.path == MANIFEST for member in members):
                self._judge(with_manifest(name, take(entries)))
            elif may_be_bulk and is_bulk(members, self._exercises):
                self.outcomes += [
                    Collected(f"{printable(name)} » {printable(one.path)}", reason=one.reason)
                    for one in refused
                ]
                for member in members:
                    self._member(name, member)
            else:
                self._judge(HandIn(name, name, without_top_folder(take(entries)), changed))

    def _member(self, archive: str, member: Member) -> None:
        before = len(self.outcomes)
        self._file(member.path, member.read, member.time.astimezone() if member.time else None)
        for outcome in self.outcomes[before:]:
            outcome.source = f"{printable(archive)} » {outcome.source}"

    def _exchange(self, folder: Path, name: str) -> None:
        student, assignment, time = exchange_submission(folder.name) or ("", "", datetime.now(UTC))
        claimed = _remembered(folder) if student in NOBODY else student
        with self._refusing(name):
            contents = take(folder_members(folder))
            self._judge(HandIn(name, "", contents, None, claimed, assignment, time))

    def _judge(self, hand_in: HandIn) -> None:
        outcome = Collected(printable(hand_in.source), refused=list(hand_in.contents.refused))
        self.outcomes.append(outcome)
        with self._refusing(hand_in.source, outcome):
            upload = lms.upload(hand_in.name)
            exercise, files = self._exercise(hand_in, outcome)
            outcome.assignment = exercise.name
            outcome.student = self._student(hand_in, upload, exercise, outcome)
            time = self._time(hand_in, upload, outcome)
            outcome.time = time.isoformat(timespec="seconds")
            self._require_one_person(outcome, upload)
            outcome.status = self._tree.place(outcome.student, exercise.name, files, time)

    def _exercise(self, hand_in: HandIn, outcome: Collected) -> tuple[Exercise, dict[str, bytes]]:
        """The assignment of a hand-in, and those of its files that it takes."""
        claimed = self._overrides.assignment or hand_in.assignment
        if claimed is not None and claimed not in self._exercises:
            raise UntrustedError(
                f"there is no assignment {printable(claimed)[:80]!r} in this course"
            )
        exercise = self._exercises[claimed] if claimed else recognise(hand_in, self._exercises)
        files = hand_in.contents.files
        if hand_in.assignment is None:
            files = restore_names(files, exercise)
        foreign = sorted(path for path in files if is_foreign(path, exercise))
        outcome.refused += [
            Refusal(path, "not a file of this assignment")
            for path in foreign
            if path not in RESERVED
        ]
        taken = {path: content for path, content in files.items() if path not in foreign}
        _note_notebooks(taken, exercise, outcome)
        return exercise, taken

    def _student(
        self, hand_in: HandIn, upload: lms.Upload | None, exercise: Exercise, outcome: Collected
    ) -> str:
        """Who handed it in: the instructor's word, else the course site's, else the claim."""
        if self._overrides.student:
            trusted: str | None = self._overrides.student
        elif upload:
            trusted = lms.look_up(self._overrides.roster, upload.student) or upload.student
        else:
            trusted = None
        claimed = (
            claimed_student(hand_in.name, exercise.name)
            if hand_in.student is None
            else hand_in.student
        )
        if trusted is None and claimed is None:
            raise UntrustedError("nothing says whose it is: use --student NAME")
        name = student_name(
            trusted or lms.look_up(self._overrides.roster, claimed or "") or claimed or ""
        )
        if trusted and hand_in.student and lms.key(name) != lms.key(hand_in.student):
            outcome.notes.append(
                f"its manifest names another student: {printable(hand_in.student)[:80]}"
            )
        return name

    def _require_one_person(self, outcome: Collected, upload: lms.Upload | None) -> None:
        if upload and upload.person and not self._overrides.student:
            key = (str(outcome.student), str(outcome.assignment))
            if self._persons.setdefault(key, upload.person) != upload.person:
                raise UntrustedError(
                    f"two people on the course site have the name {outcome.student}: tell them"
                    " apart with --student"
                )

    def _time(self, hand_in: HandIn, upload: lms.Upload | None, outcome: Collected) -> datetime:
        """When: the instructor's word, else the course site's, else the claim if not in future."""
        now = datetime.now(UTC)
        trusted = self._overrides.received or (upload.time if upload else None)
        claimed = hand_in.time or hand_in.changed or now
        if trusted is None and claimed > now + CLOCK_SKEW:
            outcome.notes.append(
                f"it claims a time in the future ({claimed:%Y-%m-%d %H:%M} UTC): taken as handed"
                " in now"
            )
            return now
        return (trusted or claimed).astimezone(UTC)


def collect(course: Path, paths: Iterable[Path], overrides: Overrides) -> list[Collected]:
    """Sort what was handed in into ``submitted/``. LabError: the instructor's mistake."""
    exercises = released(course)
    if not exercises:
        raise LabError(
            f"{course} has no released assignments, so nothing can be collected for them.",
            "bin/lab release",
        )
    if overrides.assignment and overrides.assignment not in exercises:
        raise LabError(
            f"There is no assignment {overrides.assignment!r}.", f"one of: {', '.join(exercises)}."
        )
    if overrides.student:
        try:
            overrides = replace(overrides, student=student_name(overrides.student))
        except UntrustedError as error:
            raise LabError(
                f"--student: {error}.", "--student NAME, as the course spells it"
            ) from error
    try:
        with submissions.open_submissions(course) as tree:
            collector = Collector(tree, exercises, overrides)
            for path in paths:
                collector.collect(path)
    except OSError as error:
        raise cannot_store(f"{course / SUBMITTED} cannot be written", error.strerror) from error
    return collector.outcomes


def cannot_store(what: str, why: str | None) -> LabError:
    """What to say when the disk, not a hand-in, is the likely cause."""
    return LabError(
        f"{what} ({why})." if why else f"{what}.",
        "free some space or make the folder writable, then collect everything again; what is"
        " already there stays.",
    )


def _note_notebooks(files: Mapping[str, bytes], exercise: Exercise, outcome: Collected) -> None:
    missing = sorted(set(exercise.notebooks) - set(files))
    if len(missing) == len(exercise.notebooks):
        raise UntrustedError(f"it holds no notebook of {exercise.name} ({', '.join(missing)})")
    outcome.notes += [f"{name} is missing" for name in missing]
    for name in sorted(set(exercise.notebooks) & set(files)):
        try:
            notebook_cells(files[name])
        except UntrustedError as why:
            outcome.notes.append(f"{name} is {why}: it cannot be graded")


def _worth_a_look(folder: Path) -> Iterator[Path]:
    """Everything below a folder that may be a hand-in, and links, which are reported."""
    for where, folders, files in os.walk(folder):
        here = Path(where)
        whole = [
            name for name in folders if exchange_submission(name) or (here / name).is_symlink()
        ]
        folders[:] = sorted(name for name in folders if name not in JUNK and name not in whole)
        if len(here.relative_to(folder).parts) >= HAND_IN.depth:
            folders.clear()
        yield from (here / name for name in sorted(files + whole) if name not in JUNK)


def _mode(path: Path) -> int:
    """Its kind; 0 where it has gone meanwhile or cannot be looked at."""
    try:
        return path.lstat().st_mode
    except OSError:
        return 0


def _modified(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.lstat().st_mtime, UTC)
    except (OSError, OverflowError, ValueError):
        return None


def _remembered(folder: Path) -> str | None:
    """The student of the workspace around an exchange folder."""
    for parent in list(folder.parents)[:4]:
        try:
            return (
                read_file(parent / REMEMBERED, 1024, beneath=parent)
                .decode("utf-8", "replace")
                .strip()
            )
        except UntrustedError:
            continue
    return None
