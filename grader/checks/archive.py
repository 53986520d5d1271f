"""One file out of a container's filesystem, running or not, without running anything in it."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import RawIOBase
from typing import IO, cast

from docker.errors import APIError, NotFound

from grader.checks.engine import asking, engine

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
            return None
        except APIError:  # a link that leads to itself, among others
            return Found("path that cannot be read", "", 0)
        if not stat["linkTarget"]:
            with asking():
                return _first_member(stream)
        _close(stream)
        path = stat["linkTarget"]
    return Found("link", "", 0)


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
