"""The file to hand in: a student's assignment, with a manifest of whose it is and what is inside.

The file is ``<student>-<assignment>-<time>.zip``, with ``manifest.json`` and the assignment's files
in a folder named after it. Course sites rename what is uploaded, so only the manifest counts. It is
the student's claim, and ``collect`` treats it as one.
"""

import glob
import hashlib
import io
import json
import re
import unicodedata
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grader.archive import UntrustedError, printable, same_name
from grader.course import RELEASE

MANIFEST = "manifest.json"
SCHEMA = 1
MANIFEST_BYTES = 256 * 1024
RESERVED = {"timestamp.txt", "submission_secret.txt"}  # nbgrader's, next to the notebook
STUDENT_CHARACTERS, STUDENT_BYTES = 64, 200  # a folder name of 255 bytes must hold it
WHOSE_NAME = "letters, digits and . _ @ - (beginning with a letter or digit, at most 64)"


@dataclass(frozen=True)
class Manifest:
    """Who hands in what. ``files`` maps each path to the SHA-256 of its content."""

    student: str
    assignment: str
    time: datetime
    files: Mapping[str, str]

    def to_json(self) -> bytes:
        """``schema``, ``student``, ``assignment``, ``time`` (ISO 8601, UTC) and ``files``."""
        return json.dumps(
            {
                "schema": SCHEMA,
                "student": self.student,
                "assignment": self.assignment,
                "time": self.time.astimezone(UTC).isoformat(),
                "files": dict(self.files),
            },
            indent=1,
            ensure_ascii=False,
        ).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "Manifest":
        """Raises UntrustedError for anything that ``to_json`` would not write."""
        try:
            fields = json.loads(content)
            if fields["schema"] != SCHEMA:
                raise UntrustedError(
                    f"its manifest has schema {printable(str(fields['schema']))[:20]}, not {SCHEMA}"
                )
            student, assignment, files = (
                fields["student"],
                fields["assignment"],
                dict(fields["files"]),
            )
            if not all(
                isinstance(text, str) for text in (student, assignment, *files, *files.values())
            ):
                raise TypeError
            time = datetime.fromisoformat(fields["time"]).astimezone(UTC)
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            OverflowError,
            RecursionError,
        ) as error:
            raise UntrustedError("its manifest.json is not a manifest") from error
        return cls(student, assignment, time, files)


@dataclass(frozen=True)
class Exercise:
    """A released assignment: each notebook's file name, with the grade_ids of its cells."""

    name: str
    notebooks: Mapping[str, frozenset[str]]


def student_name(text: str) -> str:
    """The one spelling of a student's name or number: NFC, and ``-`` where it has spaces.

    Raises UntrustedError for a name that is empty, too long or not made as WHOSE_NAME says.

    >>> student_name(" Zoë Example ")
    'Zoë-Example'
    """
    name = re.sub(" +", "-", unicodedata.normalize("NFC", text).strip(" "))
    sound = all(
        char in "._@-"
        or unicodedata.category(char)[0] in "LM"
        or unicodedata.category(char) == "Nd"
        for char in name
    )
    if not name or not sound or not name[0].isalnum() or name.endswith("."):
        raise UntrustedError(f"{_shown(text)} is not a valid student's name: it has {WHOSE_NAME}")
    if len(name) > STUDENT_CHARACTERS or len(name.encode()) > STUDENT_BYTES:
        raise UntrustedError(
            f"{_shown(text)} is too long for a student's name: {STUDENT_CHARACTERS} characters at"
            " most"
        )
    return name


def released(course: Path) -> dict[str, Exercise]:
    """All assignments in the course's ``assignments/``, by name."""
    folders = sorted(
        path
        for path in (course / RELEASE).glob("*")
        if path.is_dir() and not path.name.startswith(".")
    )
    exercises = (
        Exercise(
            path.name,
            {book.name: grade_ids(book.read_bytes()) for book in sorted(path.glob("*.ipynb"))},
        )
        for path in folders
    )
    return {exercise.name: exercise for exercise in exercises if exercise.notebooks}


def notebook_cells(content: bytes) -> list[dict[str, Any]]:
    """The cells of a notebook; raises UntrustedError if the bytes are not one."""
    try:
        cells = json.loads(content)["cells"]
        if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UntrustedError("not a notebook (damaged, or cut short)") from error
    return cells


def grade_ids(content: bytes) -> frozenset[str]:
    """The grade_ids in a notebook; empty if it is not one."""
    try:
        return frozenset(
            name
            for cell in notebook_cells(content)
            if (name := nbgrader_metadata(cell).get("grade_id")) and isinstance(name, str)
        )
    except UntrustedError:
        return frozenset()


def nbgrader_metadata(cell: Mapping[str, Any]) -> dict[str, Any]:
    """The cell's nbgrader metadata; {} if there is none, or nonsense."""
    metadata = cell.get("metadata")
    noted = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return noted if isinstance(noted, dict) else {}


def exchange_submission(name: str) -> tuple[str, str, datetime] | None:
    """Student, assignment and time from a folder's name in nbgrader's exchange, or None."""
    parts = re.fullmatch(
        r"(.+?)\+([^+]+)\+(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? UTC(?:\+[\w-]+=*)?", name
    )
    if parts is None:
        return None
    try:
        return parts[1], parts[2], datetime.fromisoformat(parts[3]).replace(tzinfo=UTC)
    except ValueError:
        return None


def describe(student: str, assignment: str, time: datetime, files: Mapping[str, bytes]) -> Manifest:
    """The manifest of these files."""
    return Manifest(
        student,
        assignment,
        time,
        {path: hashlib.sha256(content).hexdigest() for path, content in files.items()},
    )


def pack(manifest: Manifest, files: Mapping[str, bytes]) -> bytes:
    """The zip to hand in."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, manifest.to_json())
        for path, content in sorted(files.items()):
            archive.writestr(f"{manifest.assignment}/{path}", content)
    return stream.getvalue()


def file_name(manifest: Manifest) -> str:
    """A name that mail and course sites leave alone: ASCII, no spaces."""
    ascii_only = unicodedata.normalize("NFKD", manifest.student).encode("ascii", "ignore").decode()
    student = ascii_only.strip(".-") or "student"
    return f"{student}-{manifest.assignment}-{manifest.time:%Y%m%dT%H%M%SZ}.zip"


def file_pattern(assignment: str) -> str:
    """What ``glob`` finds the files of an assignment by, as long as no site has renamed them."""
    return f"*-{glob.escape(assignment)}-{'[0-9]' * 8}T{'[0-9]' * 6}Z.zip"


def is_foreign(path: str, exercise: Exercise | None) -> bool:
    """Whether the file is not part of the assignment: another notebook, a file of nbgrader's, or
    one whose folder has the name of either (on a disk where upper and lower case are the same).
    """
    notebook = path.lower().endswith(".ipynb")
    if notebook and (path not in exercise.notebooks if exercise else "/" in path):
        return True
    taken = {same_name(name) for name in (*RESERVED, *(exercise.notebooks if exercise else ()))}
    top = same_name(path.split("/")[0])
    return top in taken and not (notebook and "/" not in path)


def _shown(text: str) -> str:
    return repr(printable(text if len(text) <= 80 else f"{text[:80]}…"))
