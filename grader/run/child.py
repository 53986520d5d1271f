"""One submission in a process of its own: what is in it can use up that process, and no other.

It is forked from a process that has imported everything (grader/run/warm.py) and has no threads.
The process that started it keeps the sandboxes and takes its questions (grader/run/local.py); the
sandbox's two kernels are handed over as sockets.
"""

import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import parent_process, reduction
from multiprocessing.connection import Connection, wait
from typing import Any

from grader.judging.attempts import execute_fairly
from grader.judging.deadline import Deadline
from grader.judging.work import Executed, Work
from grader.run.grading import Grading, grade
from grader.sandbox.channel import Channel, Kernel
from grader.sandbox.interface import Reason, SandboxLimits, StoppedError

OUT_OF_MEMORY = 77  # the exit status


def serve(connection: Connection, grading: Grading, student: str) -> None:
    """Grade one student and send the result."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who started it is asked, and asks
    threading.Thread(target=_end_with_parent, daemon=True).start()
    limits = grading.judged_by.limits
    if sys.platform == "linux":
        most = limits.grading_memory << 20
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    try:
        parent = Parent(connection, limits)
        parent.ask("begin")
        result = grade(grading, student, parent)
        connection.send(("result", result))
    except (StoppedError, BrokenPipeError):
        return
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


def _end_with_parent() -> None:
    """Whoever kills the run ends all of it."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


class Parent:
    """The process that has the sandboxes: a carrier of work."""

    def __init__(self, connection: Connection, limits: SandboxLimits) -> None:
        self._connection = connection
        self._limits = limits
        self._deadline = Deadline.of(limits)

    def execute(self, work: Work) -> Executed:
        """Run one notebook; our side's failures are tried again."""
        return execute_fairly(work, self._sandbox, self._deadline)

    def ask(self, what: str, *arguments: Any) -> Any:
        """The answer, or the exception that is the answer."""
        try:
            self._connection.send((what, *arguments))
            failed, answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise StoppedError from error
        if failed:
            raise answer
        return answer

    @contextmanager
    def _sandbox(self) -> Iterator["HandedSandbox"]:
        with self._deadline.paused():
            self.ask("sandbox")
        streams = [socket.socket(fileno=reduction.recv_handle(self._connection)) for _ in range(2)]
        try:
            yield HandedSandbox(self, self._limits, *(Kernel(Channel(one)) for one in streams))
        finally:
            for stream in streams:
                stream.close()
            self.ask("done")


class HandedSandbox:
    """A sandbox whose kernels are here and whose containers are the parent's."""

    def __init__(
        self, parent: Parent, limits: SandboxLimits, student: Kernel, checker: Kernel
    ) -> None:
        self.limits, self.student, self.checker = limits, student, checker
        self._ask = parent.ask

    def bring(self, files: Mapping[str, bytes]) -> None:
        """Put a submission's files into the student's folder."""
        self._ask("bring", dict(files))

    def read_file(self, path: str) -> bytes:
        """A file of the student's folder."""
        return bytes(self._ask("read_file", path))

    def death(self, role: str) -> Reason | None:
        """Why a container has ended; None while it runs."""
        reason: Reason | None = self._ask("death", role)
        return reason

    def kill(self, role: str) -> None:
        """End a container that does not answer."""
        self._ask("kill", role)
