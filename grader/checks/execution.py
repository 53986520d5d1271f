"""One command run inside a container, with a deadline and a cap on what it may say."""

from __future__ import annotations

import contextlib
import shlex
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from docker.errors import APIError

from grader.checks.deadline import Deadline, in_time
from grader.checks.engine import OUT_OF_REACH, asking, engine, explanation
from grader.checks.verdict import CheckFailed, quoted, said

MAX_OUTPUT_BYTES = 256 * 1024
STDERR = 2
START_SECONDS = 30.0  # of the engine, to start a command
LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class ExecResult:
    """What a command did: its exit code, and what it printed (text, at most 256 KiB of each)."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Standard output, then standard error."""
        return self.stdout + self.stderr


def execute(container_id: str, name: str, argv: list[str], within_seconds: float) -> ExecResult:
    """Runs a command in a running container; raises `CheckFailed` if it cannot start or does not
    end in time, which counts from when it runs.
    """
    typed = shlex.join(["docker", "exec", name, *argv])
    try:
        with asking():
            exec_id = engine().exec_create(container_id, argv)["Id"]
            stdout, stderr, ended = _collect(
                engine().exec_start(exec_id, socket=True),
                within_seconds,
                lambda ended: _wait_until_it_runs(exec_id, ended),
            )
            exit_code = engine().exec_inspect(exec_id)["ExitCode"]
    except APIError as error:
        raise CheckFailed(
            f"{quoted(shlex.join(argv))} could not be started in `{name}`: {explanation(error)}",
            f"a running container `{name}` in which this command exists.",
            typed,
        ) from None
    if not ended or exit_code is None:
        raise CheckFailed(
            f"{quoted(shlex.join(argv))} in `{name}` had not ended, or had not stopped printing,"
            f" after {within_seconds:g} s.",
            f"the command to end within {within_seconds:g} s.",
            typed,
        )
    return ExecResult(exit_code, stdout, stderr)


def _collect(
    hijacked: Any,
    within_seconds: float,
    wait_for_start: Callable[[threading.Event], None] = lambda ended: None,
) -> tuple[str, str, bool]:
    """Standard output, standard error, and whether the command ended by itself.

    The reader blocks for as long as the command is silent, so the deadline cuts the connection from
    another thread.
    """
    streams: dict[int, bytearray] = {1: bytearray(), STDERR: bytearray()}
    cut, ended = threading.Event(), threading.Event()
    connection = getattr(hijacked, "_sock", hijacked)

    def watch() -> None:
        wait_for_start(ended)
        if not in_time(ended.wait, within_seconds):
            _cut(connection, cut)

    threading.Thread(target=watch, daemon=True).start()
    try:
        for stream, data in _frames(hijacked._response.raw._fp.fp):
            kept = streams[STDERR if stream == STDERR else 1]
            kept += data[: MAX_OUTPUT_BYTES - len(kept)]
    finally:
        ended.set()
        # in this order: a response that outlives its socket complains on standard error when it is
        # collected
        hijacked._response.close()
        hijacked.close()
    out, err = (bytes(streams[number]).decode("utf-8", "replace") for number in (1, STDERR))
    return out, err, not cut.is_set()


def _wait_until_it_runs(exec_id: str, ended: threading.Event) -> None:
    """Returns when the command runs, or has ended: starting it is the engine's work. A quick
    command costs no look.
    """
    deadline = Deadline(START_SECONDS)
    with contextlib.suppress(*OUT_OF_REACH):
        while not (ended.wait(LOOK_SECONDS) or deadline.passed):
            state = engine().exec_inspect(exec_id)
            if state["Pid"] or state["ExitCode"] is not None:
                return


def _frames(reader: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The engine's frames (8 bytes: stream, three zeros, length), as (stream, data).

    Read from the response's own buffer: what a quick command prints may come in one piece with the
    answer's head, and whoever reads the socket itself, as the SDK does, then misses it.
    """
    while len(head := reader.read(8)) == 8:
        stream, size = struct.unpack(">BxxxL", head)
        yield stream, reader.read(size)


def _cut(connection: Any, cut: threading.Event) -> None:
    cut.set()
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def must_have_done(
    name: str,
    command: str,
    typed: str,
    result: ExecResult,
    printing: str | None,
    exit_code: int,
    where: str = "In",
) -> None:
    """Raises `CheckFailed` unless the command ended with this exit code and printed this text;
    `where` and `name` begin the sentence (In `web`), `typed` is how to try it.
    """
    if result.exit_code != exit_code:
        raise CheckFailed(
            f"{where} `{name}`, {quoted(command)} ended with exit code"
            f" {result.exit_code}{said(result.output)}.",
            f"exit code {exit_code}.",
            typed,
        )
    if printing is not None and printing not in result.output:
        raise CheckFailed(
            f"{where} `{name}`, {quoted(command)} printed"
            f" {quoted(result.output.strip()) if result.output else 'nothing'}.",
            f"{quoted(printing)} in what it prints.",
            typed,
        )
