"""Locks on this machine: what all checkouts share in its Docker is made once."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "docker-course-"


@contextmanager
def alone(what: str) -> Iterator[None]:
    """One process at a time for each ``what``; the others wait.

    The lock ends with its process, even if that is killed.
    """
    path = Path(tempfile.gettempdir(), f"{PREFIX}{what}-lock")
    if not path.exists():
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o666))
    with path.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
