"""Sandboxes made ahead: while a submission is graded, the next one's sandbox is made, and the last
one's is removed.

Each serves one submission and is removed; nothing of one submission can reach the next.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from docker.errors import DockerException

from grader.sandbox.docker import DockerSandbox
from grader.sandbox.interface import SandboxError, StoppedError


class Sandboxes:
    """A context manager. At most ``ahead`` sandboxes wait ready or are in the making, and no more
    than ``needed`` are made ahead in all.

    On exit none is left: those in use are removed as well, and ``sandbox`` raises StoppedError from
    then on.
    """

    def __init__(self, make: Callable[[], DockerSandbox], *, ahead: int, needed: int) -> None:
        self._make = make
        self._needed = needed
        self._ahead = ahead
        self._lock = threading.Lock()
        self._next: deque[Future[DockerSandbox]] = deque()
        self._open: set[DockerSandbox] = set()
        self._stopped = threading.Event()
        self._makers = ThreadPoolExecutor(max(ahead, 1), thread_name_prefix="make-sandbox")
        self._removers = ThreadPoolExecutor(max(ahead, 1), thread_name_prefix="remove-sandbox")

    def __enter__(self) -> Self:
        with self._lock:
            self._make_ahead()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def sandbox(self) -> Iterator[DockerSandbox]:
        """A ready sandbox for one submission, removed afterwards (in the background).

        Raises SandboxError when it could not be made, or has ended while it waited; StoppedError
        when all are being removed.
        """
        sandbox = self._take()
        try:
            yield sandbox
        finally:
            self._remove(sandbox)
            if self._stopped.is_set():  # whatever the submission met, it may have met our removal
                raise StoppedError

    def close(self) -> None:
        """Remove them all, whatever they are used for."""
        self._stopped.set()
        self._makers.shutdown(cancel_futures=True)
        with self._lock:
            left = list(self._open)
        for sandbox in left:
            self._remove(sandbox)
        self._removers.shutdown()

    def _take(self) -> DockerSandbox:
        with self._lock:
            if self._stopped.is_set():
                raise StoppedError
            coming = self._next.popleft() if self._next else self._makers.submit(self._make_one)
            self._make_ahead()
        try:
            sandbox = coming.result()
        except BaseException as error:
            if self._stopped.is_set():
                raise StoppedError from error
            raise
        self._require_running(sandbox)
        return sandbox

    def _make_ahead(self) -> None:
        while len(self._next) < self._ahead and self._needed > 0:
            self._needed -= 1
            self._next.append(self._makers.submit(self._make_one))

    def _make_one(self) -> DockerSandbox:
        if self._stopped.is_set():
            raise StoppedError
        sandbox = self._make().__enter__()
        with self._lock:
            self._open.add(sandbox)
        return sandbox

    def _require_running(self, sandbox: DockerSandbox) -> None:
        try:
            runs = sandbox.runs()
        except DockerException:
            runs = False
        if not runs:
            self._remove(sandbox)
            raise SandboxError("A sandbox ended before it was used.")

    def _remove(self, sandbox: DockerSandbox) -> None:
        with self._lock:
            if sandbox in self._open:
                self._open.remove(sandbox)
                self._removers.submit(_close, sandbox)


def _close(sandbox: DockerSandbox) -> None:
    with suppress(DockerException, OSError):  # what is left is swept away by the next run
        sandbox.close()
