"""One file out of a container's filesystem, running or not, without running anything in it."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import RawIOBase
from typing import IO, cast

from docker.errors import APIError, NotFound

from grader.checks.engine import asking, engine
from grader.checks.verdict import CheckFailed

MAX_FILE_BYTES = 1024 * 1024
MAX_LINKS = 8


@dataclass(frozen=True)
class Found:
    """What is at a path: `kind` is `file`, `directory`, `link` or `other`; `text` only for files,
    at most 1 MiB of it.
    """

    kind: str
    text: str
    size_bytes: int


def read(container_id: str, path: str) -> Found | None:
    """What the container has at `path` (symbolic links followed inside it); None if there is
    nothing.
    """
    for _ in range(MAX_LINKS):
        try:
            with asking():
                stream, stat = engine().get_archive(container_id, path)
        except NotFound:
            _must_still_exist(container_id)
            return None
        except APIError:  # a link that leads to itself, among others
            return Found("path that cannot be read", "", 0)
        if not stat["linkTarget"]:
            with asking():
                return _first_member(stream)
        _close(stream)
        path = stat["linkTarget"]
    return Found("link", "", 0)


def _must_still_exist(container_id: str) -> None:
    """A container that somebody has removed has no files either, and says nothing about them."""
    try:
        with asking():
            engine().inspect_container(container_id)
    except NotFound:
        raise CheckFailed(
            "A container was removed while this check looked for a file in it.",
            "a container that stays until the check has ended.",
            "docker ps -a, then run the check again.",
        ) from None


def passwd(container_id: str) -> str:
    """Its `/etc/passwd`, where the engine looks up the names of users; empty without one."""
    found = read(container_id, "/etc/passwd")
    return found.text if found else ""


def _first_member(stream: Iterator[bytes]) -> Found | None:
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", _Chunks(stream)), mode="r|") as archive:
            member = archive.next()
            if member is None:
                return None
            content = archive.extractfile(member) if member.isfile() else None
            kind = "file" if member.isfile() else "directory" if member.isdir() else "other"
            data = content.read(MAX_FILE_BYTES) if content else b""
            return Found(kind, data.decode("utf-8", "replace"), member.size)
    finally:
        _close(stream)


def _close(stream: Iterator[bytes]) -> None:
    close = getattr(stream, "close", None)
    if close:
        close()


class _Chunks(RawIOBase):
    """A stream of chunks as the file object that `tarfile` reads."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self._rest += chunk
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken
