"""What has been graded, so that a run that was stopped, killed or cut off goes on where it was.

A row is written when all else of a submission is on disk: its grades, its notebook, its page. It
says what the grades were made from (``key``); a submission whose key has changed is graded again.
SQLite makes each row whole or absent, whenever the power fails.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from grader.judging.results import Outcome

TABLE = """CREATE TABLE IF NOT EXISTS graded (
    assignment TEXT, student TEXT, key TEXT NOT NULL, entry TEXT NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (assignment, student))"""
REFUSALS = """CREATE TABLE IF NOT EXISTS refused (
    assignment TEXT, student TEXT, work TEXT NOT NULL, reason TEXT NOT NULL, note TEXT NOT NULL,
    PRIMARY KEY (assignment, student))"""
# SQLite keeps it as user_version; grader/gradebook/upgrade.py has what came before
FORMAT = 1
BUSY_SECONDS = 60.0  # another run of the same course may write


@dataclass(frozen=True)
class Entry:
    """One graded submission: what running each of its notebooks gave, the notes for the instructor,
    how long it took.

    ``work`` stands for the submission's files alone.
    """

    outcomes: dict[str, Outcome]
    seconds: float
    notes: list[str] = field(default_factory=list)
    work: str = ""


@dataclass(frozen=True)
class Refused:
    """Work that was not graded, since grading it went over a limit; ``work`` as in Entry."""

    work: str
    reason: str
    note: str


class Journal:
    """The journal in one file, made when it is first written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, assignment: str, student: str, key: str) -> Entry | None:
        """What is recorded of this very submission; None where it has changed."""
        query = "SELECT entry FROM graded WHERE assignment = ? AND student = ? AND key = ?"
        with self._opened() as database:
            row = database.execute(query, (assignment, student, key)).fetchone()
        return _read(row[0]) if row else None

    def last(self, assignment: str, student: str) -> tuple[str, Entry] | None:
        """What was recorded last of a student, of whichever version, with its key."""
        query = "SELECT key, entry FROM graded WHERE assignment = ? AND student = ?"
        with self._opened() as database:
            row = database.execute(query, (assignment, student)).fetchone()
        return (row[0], _read(row[1])) if row else None

    def latest(self, assignment: str) -> dict[str, Entry]:
        """What was recorded last of each student, of whichever version."""
        with self._opened() as database:
            rows = database.execute(
                "SELECT student, entry FROM graded WHERE assignment = ?", (assignment,)
            ).fetchall()
        return {student: _read(entry) for student, entry in rows}

    def keep(self, assignment: str, student: str, key: str, entry: Entry) -> None:
        """Record it instead of what was; it is on disk when this returns."""
        row = (assignment, student, key, json.dumps(asdict(entry)), datetime.now(UTC).isoformat())
        with self._opened() as database:
            database.execute("INSERT OR REPLACE INTO graded VALUES (?, ?, ?, ?, ?)", row)
            database.execute(
                "DELETE FROM refused WHERE assignment = ? AND student = ?", (assignment, student)
            )

    def refuse(self, assignment: str, student: str, refused: Refused) -> None:
        """Record why a student's work was not graded. An earlier grading stays recorded."""
        row = (assignment, student, refused.work, refused.reason, refused.note)
        with self._opened() as database:
            database.execute("INSERT OR REPLACE INTO refused VALUES (?, ?, ?, ?, ?)", row)

    def refused(self, assignment: str) -> dict[str, Refused]:
        """What was not graded, by student."""
        query = "SELECT student, work, reason, note FROM refused WHERE assignment = ?"
        with self._opened() as database:
            rows = database.execute(query, (assignment,)).fetchall()
        return {student: Refused(*row) for student, *row in rows}

    def rename_key(self, assignment: str, student: str, key: str) -> None:
        """The same record, under another key from now on."""
        with self._opened() as database:
            database.execute(
                "UPDATE graded SET key = ? WHERE assignment = ? AND student = ?",
                (key, assignment, student),
            )

    def forget(self, assignment: str, student: str) -> None:
        """Its grades are about to change: until ``keep``, there is nothing to go by."""
        with self._opened() as database:
            database.execute(
                "DELETE FROM graded WHERE assignment = ? AND student = ?", (assignment, student)
            )

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        new = not self._path.exists()
        with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS)) as database, database:
            database.execute(TABLE)
            database.execute(REFUSALS)
            if new:
                database.execute(f"PRAGMA user_version = {FORMAT}")
            yield database


def key_of(files: Mapping[str, bytes], circumstances: Iterable[object]) -> str:
    """What a grade depends on: the submission's files, and the circumstances: the assignment's
    source, the grader's version, limits.

    >>> key_of({"a": b"1"}, ["v1"]) == key_of({"a": b"1"}, ["v2"])
    False
    """
    digest = hashlib.sha256()
    for part in circumstances:
        digest.update(hashlib.sha256(repr(part).encode()).digest())
    for path, content in sorted(files.items()):
        digest.update(
            hashlib.sha256(path.encode("utf-8", "surrogatepass")).digest()
            + hashlib.sha256(content).digest()
        )
    return digest.hexdigest()


def _read(text: str) -> Entry:
    entry = json.loads(text)
    outcomes = {name: Outcome.from_json(fields) for name, fields in entry["outcomes"].items()}
    return Entry(outcomes, entry["seconds"], entry["notes"], entry.get("work", ""))
