"""Talking to the kernels of a sandbox: the attached stdio of their containers, and what may come
back through it.

All that arrives is a claim of a process that a student may own, so each message is capped, parsed
strictly and checked. Whatever does not fit ends in KernelLostError, which costs that one submission
alone.
"""

import json
import socket
import struct
import time
from contextlib import suppress
from typing import Any, Protocol, cast

from grader.sandbox.interface import INTERRUPT_SECONDS, Extend, KernelLostError, Reply

MAX_LINE_BYTES = 2_000_000  # one message
MAX_CELL_BYTES = 4_000_000  # all messages about one cell
GRACE_SECONDS = 10.0  # beyond a cell's own limit and its interrupt: a slow machine
STDERR_TAIL_BYTES = 4_000


class Stream(Protocol):
    """What is used of a socket."""

    def settimeout(self, seconds: float) -> None: ...
    def sendall(self, data: bytes) -> None: ...
    def recv(self, most: int) -> bytes: ...
    def shutdown(self, how: int) -> None: ...
    def close(self) -> None: ...


class Channel:
    """JSON lines over an attached container's standard input and output."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._header = b""
        self._frame_left = 0
        self._frame_is_stdout = False
        self._line = b""
        self.stderr_tail = b""

    def send(self, message: dict[str, Any]) -> None:
        try:
            self._stream.settimeout(GRACE_SECONDS)
            self._stream.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise KernelLostError(f"its input is closed ({error})") from error

    def receive(self, deadline: float) -> dict[str, Any]:
        """The next message; KernelLostError at the deadline (``time.monotonic``) and for others."""
        while b"\n" not in self._line:
            if len(self._line) > MAX_LINE_BYTES:
                raise KernelLostError("a message is too long")
            self._take(self._read(deadline))
        line, self._line = self._line.split(b"\n", 1)
        return parse_object(line)

    def fileno(self) -> int:
        """The socket, of which nothing more may be read here once another process has it."""
        return cast(socket.socket, self._stream).fileno()

    def close(self) -> None:
        """Hang up: the engine does not let go of a container while a stream is open."""
        with suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR)
        self._stream.close()

    def _read(self, deadline: float) -> bytes:
        left = deadline - time.monotonic()
        if left <= 0:
            raise KernelLostError("no answer in time", timed_out=True)
        try:
            self._stream.settimeout(left)
            data = self._stream.recv(65536)
        except TimeoutError as error:
            raise KernelLostError("no answer in time", timed_out=True) from error
        except OSError as error:
            raise KernelLostError(f"its output is closed ({error})") from error
        if not data:
            raise KernelLostError("its output has ended")
        return data

    def _take(self, data: bytes) -> None:
        """Unwrap Docker's frames (8 bytes: stream, three zeros, length) piece by piece."""
        while data:
            if not self._frame_left:
                need = 8 - len(self._header)
                self._header, data = self._header + data[:need], data[need:]
                if len(self._header) == 8:
                    kind, self._frame_left = struct.unpack(">BxxxL", self._header)
                    self._frame_is_stdout, self._header = kind == 1, b""
                continue
            piece, data = data[: self._frame_left], data[self._frame_left :]
            self._frame_left -= len(piece)
            if self._frame_is_stdout:
                self._line += piece
            else:
                self.stderr_tail = (self.stderr_tail + piece)[-STDERR_TAIL_BYTES:]


class Kernel:
    """One kernel behind its relay (``grader/sandbox/inside/relay.py``)."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._number = 0

    def wait_until_ready(self, deadline: float) -> None:
        if self.channel.receive(deadline).get("event") != "ready":
            raise KernelLostError("its first message is not the expected one")

    def run(
        self,
        code: str,
        seconds: float,
        *,
        silent: bool = False,
        expressions: dict[str, str] | None = None,
        extend: Extend | None = None,
        grace: float = INTERRUPT_SECONDS,
    ) -> Reply:
        """Run one cell for at most ``seconds``, and as many more as ``extend`` says once these are
        over. Then it is interrupted (status ``timeout``) and has ``grace`` seconds to end, after
        which the kernel is still usable.

        Raises KernelLostError when it is not.
        """
        request = {
            "op": "run",
            "code": code,
            "silent": silent,
            "expressions": expressions or {},
            "timeout": seconds,
            "grace": grace,
            "asks": extend is not None,
        }
        return self._answer(request, seconds, grace + GRACE_SECONDS, extend)

    def write(self, path: str, data: str) -> None:
        """Put a file (base64) into the kernel's folder."""
        self._answer({"op": "write", "path": path, "data": data}, GRACE_SECONDS)

    def _answer(
        self,
        request: dict[str, Any],
        seconds: float,
        grace: float = GRACE_SECONDS,
        extend: Extend | None = None,
    ) -> Reply:
        try:
            return self._answered(request, seconds, grace, extend)
        except KernelLostError:
            self.channel.close()
            raise

    def _answered(
        self, request: dict[str, Any], seconds: float, grace: float, extend: Extend | None
    ) -> Reply:
        self._number += 1
        start = time.monotonic()
        self.channel.send({"id": self._number, **request})
        outputs, size = [], 0
        while True:
            message = self.channel.receive(start + seconds + grace)
            size += len(str(message))
            if size > MAX_CELL_BYTES:
                raise KernelLostError("a cell's output is too long")
            if message.get("id") != self._number:
                raise KernelLostError("an answer to something that was not asked")
            if message.get("event") == "output" and isinstance(message.get("output"), dict):
                outputs.append(message["output"])
            elif message.get("event") == "late" and extend:
                if time.monotonic() < start + seconds:
                    raise KernelLostError("a limit that was not reached")
                more = extend()
                grace *= 1 + more / seconds
                # before it is told: on a busy machine the relay's clock may start sooner
                seconds = time.monotonic() - start + more
                self.channel.send({"more": more})
                extend = extend if more else None
            elif message.get("event") == "done":
                return _reply(message, outputs, time.monotonic() - start, seconds)
            else:
                raise KernelLostError("an unknown message")


def _reply(
    message: dict[str, Any], outputs: list[dict[str, Any]], took: float, limit: float
) -> Reply:
    status, error, expressions = (
        message.get("status"),
        message.get("error", ["", ""]),
        message.get("expressions", {}),
    )
    if status == "dead":
        raise KernelLostError("the kernel has ended", timed_out=took >= limit)
    if status not in ("ok", "error", "timeout") or not isinstance(expressions, dict):
        raise KernelLostError("an unknown status")
    if not (
        isinstance(error, list) and len(error) == 2 and all(isinstance(part, str) for part in error)
    ):
        raise KernelLostError("a malformed error")
    return Reply(status, outputs, (error[0], error[1]), expressions, took)


def parse_object(text: bytes | str) -> dict[str, Any]:
    """A JSON object, strictly. Raises KernelLostError for all else.

    Half a pair of surrogates, which JSON can hold and no file, becomes a question mark.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        if (rb"\ud" if isinstance(text, bytes) else r"\ud") in text.lower():  # type: ignore[operator]
            value = _recordable(value)
    except (ValueError, RecursionError) as error:
        raise KernelLostError("a message is not JSON") from error
    if not isinstance(value, dict):
        raise KernelLostError("a message is not a JSON object")
    return value


def _recordable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_recordable(each) for each in value]
    if isinstance(value, dict):
        return {_recordable(key): _recordable(each) for key, each in value.items()}
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
