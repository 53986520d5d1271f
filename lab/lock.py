"""Locks of this machine: what its Docker shares is made once, whoever needs it and from whichever
checkout.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "docker-course-"


@contextmanager
def alone(what: str) -> Iterator[None]:
    """One process at a time for each ``what``; the others wait. The lock ends with its process,
    even a killed one.
    """
    path = Path(tempfile.gettempdir(), f"{PREFIX}{what}-lock")
    if not path.exists():
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o666))
    with path.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
