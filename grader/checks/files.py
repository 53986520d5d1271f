"""`file("notes.txt")`: a file the student wrote. It is read as data: no links are followed, and
only so much is read.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import PurePath
from typing import Any

from grader.checks.verdict import CheckFailed, quoted

MAX_FILE_BYTES = 1024 * 1024


def file(path: str) -> File:
    """A file by its path, from the notebook's folder; reads nothing yet.

    >>> file("notes.txt")
    file('notes.txt')
    """
    return File(path)


class File:
    """A regular file: facts as properties, `must_*` raise `CheckFailed` when they do not hold."""

    max_bytes = MAX_FILE_BYTES

    def __init__(self, path: str) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"file({self.path!r})"

    @property
    def exists(self) -> bool:
        """Whether a regular file is there, reached without a symbolic link."""
        try:
            os.close(_open(self.path))
        except (OSError, _NotAFileError):
            return False
        return True

    @property
    def text(self) -> str:
        """Its text (UTF-8, anything else made visible). Raises `CheckFailed` if it is missing, no
        file, or too large.
        """
        try:
            descriptor = _open(self.path)
        except (OSError, _NotAFileError) as error:
            raise self._unreadable(error) from None
        with os.fdopen(descriptor, "rb") as opened:
            content = opened.read(self.max_bytes + 1)
        if len(content) > self.max_bytes:
            raise CheckFailed(
                f"{quoted(self.path)} is larger than {self.max_bytes // 1024} KiB.",
                f"a file of at most {self.max_bytes // 1024} KiB.",
                f"ls -l {self.path}",
            )
        return content.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        """What it holds, parsed as JSON. Raises `CheckFailed` if it is not JSON."""
        text = self.text
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            where = (
                f" at line {error.lineno}, column {error.colno}"
                if isinstance(error, json.JSONDecodeError)
                else ""
            )
            raise CheckFailed(
                f"{quoted(self.path)} is not JSON{where}.",
                "one JSON document.",
                f"python3 -m json.tool {self.path}",
            ) from None

    def must_exist(self) -> None:
        """A readable regular file is there."""
        self.text  # noqa: B018  (reading is the check)

    def must_not_exist(self) -> None:
        """Nothing is there, not even a folder or a link."""
        if os.path.lexists(self.path):
            raise CheckFailed(
                f"{quoted(self.path)} exists.", f"no {quoted(self.path)}.", f"rm -r {self.path}"
            )

    def must_contain(self, text: str) -> None:
        """Its text contains this text."""
        if text not in self.text:
            raise CheckFailed(
                f"{quoted(self.path)} does not contain {quoted(text)}.",
                f"{quoted(text)} in {quoted(self.path)}.",
                f"cat {self.path}",
            )

    def must_not_contain(self, text: str) -> None:
        """Its text does not contain this text; the line that does is named."""
        for number, line in enumerate(self.text.split("\n"), start=1):
            if text in line:
                raise CheckFailed(
                    f"Line {number} of {quoted(self.path)} contains {quoted(text)}.",
                    f"no {quoted(text)} in {quoted(self.path)}.",
                    f"edit line {number} of {self.path}.",
                )

    def must_be_json(self) -> None:
        """It holds one JSON document."""
        self.json  # noqa: B018  (parsing is the check)

    def _unreadable(self, error: Exception) -> CheckFailed:
        if isinstance(error, FileNotFoundError):
            return CheckFailed(
                f"There is no file {quoted(self.path)}.",
                f"a file {quoted(self.path)} in the notebook's folder.",
                "ls -l, then run the cell that writes the file.",
            )
        what = str(error) if isinstance(error, _NotAFileError) else "a path that cannot be opened"
        return CheckFailed(
            f"{quoted(self.path)} is {what}.",
            f"a regular file {quoted(self.path)}.",
            f"ls -ld {self.path}",
        )


class _NotAFileError(Exception):
    """Something else is there; `str()` says what, with its article."""


def _open(path: str) -> int:
    """A descriptor of a regular file. Every step of the path is taken without following a link,
    nothing blocks.
    """
    parts = PurePath(path).parts
    folder = os.open("/" if PurePath(path).is_absolute() else ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[1:-1] if PurePath(path).is_absolute() else parts[:-1]:
            _refuse_link(part, folder)
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        _refuse_link(parts[-1], folder)
        descriptor = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise _NotAFileError("a folder" if stat.S_ISDIR(mode) else "not a regular file")
    return descriptor


def _refuse_link(name: str, folder: int) -> None:
    if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        raise _NotAFileError("a symbolic link, or behind one")
