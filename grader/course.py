"""A course's folder: what is in it, and where."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

SOURCE = "solutions"  # exercises as instructors write them
RELEASE = "assignments"  # as students get them
SUBMITTED = "submitted"
AUTOGRADED = "autograded"
FEEDBACK = "feedback"
DATABASE = "gradebook.db"
JOURNAL = f"{DATABASE}.journal"
RELEASED = f"{DATABASE}.released.json"
TIMESTAMP = "timestamp.txt"  # when it was handed in; nbgrader reads it for late penalties


@dataclass(frozen=True)
class Course:
    """A folder with ``solutions/``, ``submitted/`` and what grading makes: ``gradebook.db``,
    ``autograded/``, ``feedback/``.
    """

    root: Path

    @property
    def db_url(self) -> str:
        """SQLite waits a minute for another writer: formgrader, a second run."""
        return f"sqlite:///{self.root / DATABASE}?timeout=60"

    def folder(self, kind: str, assignment: str, student: str = ".") -> Path:
        """``kind`` is one of nbgrader's folders: solutions, submitted, autograded, feedback."""
        return self.root / kind / student / assignment


def sources(course: Path) -> list[str]:
    """The names of all assignments in ``solutions/``, sorted."""
    folder = course / SOURCE
    names = [entry.name for entry in folder.iterdir() if entry.is_dir()] if folder.is_dir() else []
    return sorted(name for name in names if not name.startswith((".", "_")))


def submitters(course: Course) -> list[str]:
    """The students who have a folder in ``submitted/``."""
    folder = course.root / "submitted"
    return (
        sorted(
            entry.name
            for entry in folder.iterdir()
            if entry.is_dir() and not entry.name.startswith(".")
        )
        if folder.is_dir()
        else []
    )


def source_hash(course: Course, assignment: str) -> str:
    """Stands for the assignment as ``solutions/`` has it now."""
    digest, folder = hashlib.sha256(), course.folder(SOURCE, assignment)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def swap(fresh: Path, present: Path) -> None:
    """Put ``fresh``, if it is there, in the place of ``present``, or leave all as it is."""
    present.parent.mkdir(parents=True, exist_ok=True)
    old = fresh.with_name(fresh.name + ".old")
    if present.exists():
        present.rename(old)
    try:
        if fresh.exists():
            fresh.rename(present)
    except BaseException:
        if old.exists():
            old.rename(present)
        raise
