"""The student's folder: the course's files go there, never over what the student has changed.

``.course.json`` in the workspace records the SHA-256 of each file as it was last put there: a file
that still has it is untouched.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lab.course import RECORD, ROOT
from lab.errors import LabError
from lab.files import write_whole

# nbgrader's Assignment List offers what is in its outbound/, and submits to its inbound/
EXCHANGE = ".exchange/docker-kubernetes"
# Folder of the checkout → folder of the workspace.
SHIPPED = (
    ("course", "course"),
    ("assignments", "assignments"),
    ("assignments", f"{EXCHANGE}/outbound"),
)
JUNK = {"__pycache__", ".ipynb_checkpoints"}
FOR_AUTHORS = {"course/coverage.toml", "course/notes.md", "course/skills.toml"}


@dataclass
class Update:
    """What one ``update`` did: file names relative to the workspace."""

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    # The student's own version stays although the course has a newer one.
    kept: list[str] = field(default_factory=list)


def update(workspace: Path, owner: tuple[int, int]) -> Update:
    """Bring the workspace up to date; files belong to ``owner`` (uid, gid) afterwards.

    Raises LabError when the folder cannot be used.
    """
    _make_folder(workspace, workspace, owner)
    record, done = _read_record(workspace), Update()
    for name, content in _shipped():
        target = workspace / name
        state = _state(target, record.get(name), content)
        if state == "current":
            record[name] = _digest(content)
        elif state == "changed":
            record.setdefault(name, "")  # the course's, though not as it was put there
            done.kept.append(name)
        elif _make_folder(target.parent, workspace, owner):
            write_whole(target, content, owner)
            record[name] = _digest(content)
            (done.updated if state == "untouched" else done.added).append(name)
        else:
            done.kept.append(name)
    _make_folder(workspace / EXCHANGE / "inbound", workspace, owner)
    write_whole(workspace / RECORD, json.dumps(record, indent=1, sort_keys=True).encode(), owner)
    return done


def is_left_out(name: str) -> bool:
    """Whether a file of the checkout, by its path there, is for people who write lessons, or junk.

    >>> is_left_out("course/notes.md"), is_left_out("assignments/03-dockerfile/notes.md")
    (True, False)
    """
    return name in FOR_AUTHORS or not JUNK.isdisjoint(name.split("/"))


def _shipped() -> Iterator[tuple[str, bytes]]:
    for folder, into in SHIPPED:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and not is_left_out(path.relative_to(ROOT).as_posix()):
                content = path.read_bytes()
                yield (
                    f"{into}/{path.relative_to(ROOT / folder).as_posix()}",
                    _unanswered(content) if path.suffix == ".ipynb" else content,
                )


def _unanswered(notebook: bytes) -> bytes:
    """A notebook without its outputs, which would give away the answers to the predictions."""
    try:
        content = json.loads(notebook)
    except ValueError:
        return notebook
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def _state(target: Path, recorded: str | None, content: bytes) -> str:
    """missing, current, untouched (an older version of ours) or changed (the student's)."""
    if target.is_symlink() or (target.exists() and not target.is_file()):
        return "changed"
    if not target.exists():
        return "missing"
    present = _digest(target.read_bytes())
    if present == _digest(content):
        return "current"
    return "untouched" if present == recorded else "changed"


def _read_record(workspace: Path) -> dict[str, str]:
    try:
        record = json.loads((workspace / RECORD).read_text())
    except (OSError, ValueError):
        return {}  # nothing is known to be untouched, so everything that differs is kept
    return (
        {str(name): str(digest) for name, digest in record.items()}
        if isinstance(record, dict)
        else {}
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _make_folder(folder: Path, workspace: Path, owner: tuple[int, int]) -> bool:
    """Create a folder and those above it, up to the workspace.

    False if a link or a file is in the way; a link is never followed.
    """
    above = [folder, *folder.parents]
    inside = above[: above.index(workspace)]
    if any(path.is_symlink() or (path.exists() and not path.is_dir()) for path in inside):
        return False
    if workspace.exists() and not workspace.is_dir():
        raise LabError(
            f"{workspace} is a file; the workspace has to be a folder.",
            "move it away, or choose another folder with --workspace.",
        )
    missing = [path for path in above if not path.exists()]
    for new in reversed(missing):
        new.mkdir()
        os.chown(new, *owner)
    return True
