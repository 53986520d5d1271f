"""A class graded on this machine's Docker: its sandboxes are made ahead, in a pool, and each
submission is graded in a process of its own (grader/run/child.py).
"""

import os
import signal
import time
from contextlib import ExitStack
from functools import partial
from multiprocessing import forkserver, get_context, reduction
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from types import TracebackType
from typing import Any, Self

import docker
from docker.errors import DockerException

from grader.archive import UntrustedError
from grader.judging.attempts import ATTEMPTS as ATTEMPTS
from grader.judging.results import Result
from grader.run import child
from grader.run.grading import Grading, unrecorded
from grader.sandbox.containers import SandboxImage
from grader.sandbox.docker import DockerSandbox
from grader.sandbox.interface import Reason, SandboxError, SandboxLimits
from grader.sandbox.owners import sweep
from grader.sandbox.pool import Sandboxes
from grader.sandbox.template import ensure_template
from lab.build import image as lab_images
from lab.build import template as lab_template
from lab.build.base_image import hub_answers
from lab.errors import LabError

CONTEXT = get_context("forkserver")
START_SECONDS = 300.0  # for the first, until all is imported
END_SECONDS = 10.0  # for a process to be gone


def warm_up() -> None:
    """Begin to import, in a process of its own, what grading a submission needs."""
    CONTEXT.set_forkserver_preload(["grader.run.warm"])
    forkserver.ensure_running()


class LocalCarrier:
    """A context manager. At most ``ahead`` sandboxes wait, and ``needed`` are made in all.

    All are of one assignment: their cluster has as many ``nodes`` as it asks for (0: no cluster).
    """

    def __init__(
        self,
        client: docker.DockerClient,
        image: SandboxImage,
        limits: SandboxLimits,
        *,
        nodes: int,
        ahead: int,
        needed: int,
    ) -> None:
        make = partial(DockerSandbox, client, image, limits, nodes=nodes)
        self._client = client
        self._needed = needed
        self._sandboxes = Sandboxes(make, ahead=ahead, needed=needed)

    def __enter__(self) -> Self:
        if self._needed:
            warm_up()
        sweep(self._client)
        self._sandboxes.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove all sandboxes, whatever they are used for."""
        self._sandboxes.close()

    def grade(self, grading: Grading, student: str) -> Result:
        """Grade one student's folder, whatever is wrong with it. Raises StoppedError only."""
        begun = time.monotonic()
        connection, theirs = CONTEXT.Pipe()
        process = CONTEXT.Process(target=child.serve, args=(theirs, grading, student), daemon=True)
        with connection, ExitStack() as stack:
            try:
                with theirs:
                    process.start()
                stack.callback(_end, process)
                attendant = _Attendant(self._sandboxes, connection, grading.judged_by.limits)
                return attendant.result(process)
            except _DiedError as died:
                reason, why = died.args
            except (OSError, EOFError) as error:
                reason, why = "environment", f"No process could be started for it: {error}"
        return unrecorded(grading, student, reason, why, time.monotonic() - begun)


class _DiedError(Exception):
    """The process of a submission ended without a result: the reason, and a sentence."""


class _Attendant:
    """Does for the process of one submission what only this one can: it has the sandboxes."""

    def __init__(self, sandboxes: Sandboxes, connection: Connection, limits: SandboxLimits) -> None:
        self._sandboxes = sandboxes
        self._connection = connection
        self._limits = limits
        self._held = ExitStack()
        self._sandbox: DockerSandbox | None = None
        self._begun = False
        self._deadline = time.monotonic() + START_SECONDS

    def result(self, process: ForkServerProcess) -> Result:
        """Its result. Raises _DiedError where there will be none, StoppedError as the pool does."""
        with self._held:
            try:
                while True:
                    question, *arguments = self._next()
                    if question == "result":
                        result: Result = arguments[0]
                        return result
                    self._answer(question, arguments)
            except (EOFError, OSError):
                self._held.close()  # StoppedError, if that is why
                process.join(END_SECONDS)
                raise _DiedError(*_cause(process.exitcode, self._limits)) from None

    def _next(self) -> Any:
        if not self._connection.poll(max(self._deadline - time.monotonic(), 0.0)):
            if not self._begun:
                raise _DiedError("environment", "Its process did not begin in time.")
            minutes = self._limits.grading_seconds / 60
            raise _DiedError(
                "over-limit",
                f"Grading it took more than {minutes:.3g} minutes, all checks and its page"
                " included, and was stopped.",
            )
        return self._connection.recv()

    def _answer(self, question: str, arguments: list[Any]) -> None:
        try:
            answer = (False, self._do(question, arguments))
        except (FileNotFoundError, UntrustedError, SandboxError) as error:
            answer = (True, error)
        except (DockerException, OSError) as error:
            answer = (True, SandboxError(str(error)))
        self._connection.send(answer)
        if question == "sandbox" and self._sandbox is not None:
            for stream in self._sandbox.streams():
                reduction.send_handle(self._connection, stream, None)

    def _do(self, question: str, arguments: list[Any]) -> Any:
        if question == "sandbox":
            begun = time.monotonic()
            self._sandbox = None
            try:
                self._sandbox = self._held.enter_context(self._sandboxes.sandbox())
            finally:
                self._deadline += time.monotonic() - begun  # our own waiting
            return None
        if question == "begin":  # until here it waited for the process that it is forked from
            self._begun = True
            self._deadline = time.monotonic() + self._limits.grading_seconds
            return None
        if question == "done":
            self._held.close()
            return None
        if question in ("bring", "read_file", "death", "kill"):
            return getattr(self._sandbox, question)(*arguments)
        raise SandboxError(f"{question} is nothing that can be asked")


def _cause(code: int | None, limits: SandboxLimits) -> tuple[Reason, str]:
    """Why a process has ended without a result: the reason, and a sentence."""
    if code == child.OUT_OF_MEMORY:
        return "over-limit", (
            f"Grading it needed more than {limits.grading_memory} MiB of memory and was stopped."
        )
    if code == -signal.SIGKILL:
        return "environment", (
            "The process that graded it was killed: by hand, or by the machine when its memory was"
            " used up."
        )
    if code is not None and code < 0:
        return "over-limit", f"The process that graded it ended by signal {-code}."
    return "environment", f"The process that graded it ended with status {code}."


def _end(process: ForkServerProcess) -> None:
    process.kill()
    process.join(END_SECONDS)


def ensure_sandbox_image(client: docker.DockerClient) -> SandboxImage:
    """What sandboxes are made of, made first where it is missing."""
    hub = hub_answers(client)
    image = os.environ.get("LAB_SANDBOX_IMAGE") or lab_images.ensure_lab_image(client, hub=hub)
    volume = lab_template.ensure(client, image, hub=hub)
    hub = not lab_template.holds_stand_ins(volume)
    names = [tag for one in lab_template.course_images() for tag in one.offered(hub=hub)]
    try:
        return ensure_template(client, image, volume, names)
    except SandboxError as error:
        raise LabError(str(error), "bin/lab doctor; then grade again") from error
