"""The main process of a sandbox's kernel container: JSON lines on standard input and output,
IPython in a process of its own behind them.

Run as ``python -m grader.sandbox.inside.relay FOLDER``. Whoever reads the answers must not trust
them: the student's code may have replaced this process.

Requests:  ``{"id": 1, "op": "run", "code": str, "silent": bool, "expressions": {name: code},
           "timeout": seconds, "grace": seconds, "asks": bool}``
           ``{"id": 2, "op": "write", "path": "relative/path", "data": base64}``
Answers:   ``{"event": "ready"}`` once, then for each request any number of
           ``{"id", "event": "output", "output": {...}}`` (a notebook's output) and one
           ``{"id", "event": "done", "status": "ok" | "error" | "timeout" | "dead",
           "error": [name, value], "expressions"}``. A request that asks gets
           ``{"id", "event": "late"}`` when its time is over, and the next line of the input is
           ``{"more": seconds}``.

The process ends when its input does, or with IPython: exit status 137 when that was killed by
SIGKILL, else 1.
"""

import base64
import codecs
import json
import os
import select
import selectors
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

POLL_SECONDS = 0.1  # how soon the death of a silent shell is noticed
GRACE_SECONDS = 5.0  # from the interrupt of a cell to the end of the shell that ignores it
TEXT_SECONDS = 0.01  # how long plain text is gathered before it is passed on
# of one cell; the rest is dropped here, so that it never leaves the container
MAX_OUTPUT_CHARS = 300_000
MAX_MESSAGE_BYTES = 8_000_000  # of the shell
READ_BYTES = 65_536


class ShellDeadError(Exception):
    """The shell has ended, or was ended here because it ignored its interrupt."""


class Shell:
    """IPython in a process group of its own, and what it writes."""

    def __init__(self, folder: Path) -> None:
        self.status: int | None = None  # of the ended process, as waitstatus_to_exitcode gives it
        self.control, theirs = socket.socketpair()
        pipes = [os.pipe() for _ in range(2)]
        self.process = os.fork()
        if not self.process:
            _become_shell(folder, theirs, [writing for _, writing in pipes])
        theirs.close()
        self._received = b""
        self._streams = {}
        for name, (reading, writing) in zip(("stdout", "stderr"), pipes, strict=True):
            os.close(writing)
            os.set_blocking(reading, False)
            self._streams[name] = reading, codecs.getincrementaldecoder("utf-8")("replace")
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.control, selectors.EVENT_READ)
        for reading, _ in self._streams.values():
            self._selector.register(reading, selectors.EVENT_READ)

    def send(self, message: dict[str, Any] | None) -> None:
        """A request, or with None the answer to an output."""
        with suppress(OSError):  # its end is noticed where it is waited for
            self.control.sendall(json.dumps(message).encode() + b"\n" if message else b"\n")

    def receive(self, deadline: float) -> list[dict[str, Any]] | None:
        """What the shell wrote: text, then at most one message; None at the deadline."""
        while (left := deadline - time.monotonic()) > 0:
            ready = {key.fileobj for key, _ in self._selector.select(min(POLL_SECONDS, left))}
            if ready and self.control not in ready:  # text alone: more of it is likely on its way
                ready |= set(select.select([self.control], [], [], TEXT_SECONDS)[0])
            message = self._message() if self.control in ready or b"\n" in self._received else None
            heard = [*self.text(), *([message] if message else [])]
            if heard:
                return heard
            if not ready and self.ended():
                raise ShellDeadError
        return None

    def text(self) -> list[dict[str, Any]]:
        """The plain text that waits in the pipes, as messages."""
        heard = []
        for name, (reading, decoder) in self._streams.items():
            with suppress(BlockingIOError):
                if text := decoder.decode(os.read(reading, READ_BYTES)):
                    heard.append(
                        {
                            "event": "output",
                            "output": {"output_type": "stream", "name": name, "text": text},
                        }
                    )
        return heard

    def _message(self) -> dict[str, Any] | None:
        if b"\n" not in self._received:
            try:
                data = self.control.recv(READ_BYTES)
            except ConnectionResetError:  # as it happens when it ends before it has read all
                data = b""
            self._received += data
            if not data or len(self._received) > MAX_MESSAGE_BYTES:
                self.end()
                raise ShellDeadError
        line, newline, rest = self._received.partition(b"\n")
        if not newline:
            return None
        self._received = rest
        try:
            return dict(json.loads(line))
        except ValueError:
            self.end()
            raise ShellDeadError from None

    def ended(self) -> bool:
        if self.status is None:
            process, status = os.waitpid(self.process, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if process else None
        return self.status is not None

    def interrupt(self) -> None:
        self._signal(signal.SIGINT)

    def end(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process, number)


def _become_shell(folder: Path, control: socket.socket, pipes: list[int]) -> None:
    """In the forked process: nothing of the relay's stays open."""
    try:
        os.setsid()
        for number, end in enumerate((os.open(os.devnull, os.O_RDONLY), *pipes)):
            os.dup2(end, number)
        kept = control.fileno()
        os.closerange(3, kept)
        os.closerange(kept + 1, 1024)
        os.chdir(folder)
        from grader.sandbox.inside.ipython import main as serve

        serve(control)
    except BaseException:
        os.write(2, traceback.format_exc().encode())
        os._exit(1)
    os._exit(0)


class Relay:
    """Answers one request after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shell = Shell(folder)
        self.answers: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)  # nothing else may write between the answers
        while not any(
            message["event"] == "ready"
            for message in self.shell.receive(time.monotonic() + 60) or []
        ):
            pass
        self.send(event="ready")

    def send(self, **message: Any) -> None:
        self.answers.write(json.dumps(message) + "\n")
        self.answers.flush()

    def answer(self, request: dict[str, Any]) -> None:
        """Raises ShellDeadError after its last answer."""
        if request["op"] == "write":
            self._write(request)
            return
        try:
            done = self._run(request)
        except ShellDeadError:
            self.send(id=request["id"], event="done", status="dead")
            raise
        self.send(id=request["id"], event="done", **done)

    def _write(self, request: dict[str, Any]) -> None:
        path = self.folder / request["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(request["data"]))
        self.send(id=request["id"], event="done", status="ok")

    def _run(self, request: dict[str, Any]) -> dict[str, Any]:
        self.shell.text()  # what came after the last cell belongs to none
        silent, expressions = bool(request.get("silent")), request.get("expressions") or {}
        self.shell.send({"code": request["code"], "silent": silent, "expressions": expressions})
        room = MAX_OUTPUT_CHARS
        done, room = self._until_done(request, time.monotonic() + request["timeout"], room)
        grace = request.get("grace", GRACE_SECONDS)
        while done is None and (more := self._more(request)):
            grace *= 1 + more / request["timeout"]
            done, room = self._until_done(request, time.monotonic() + more, room)
        if done is not None:
            return done
        self.shell.interrupt()
        done, _ = self._until_done(request, time.monotonic() + grace, room)
        if done is None:
            self.shell.end()
            raise ShellDeadError
        return {**done, "status": "timeout"}

    def _more(self, request: dict[str, Any]) -> float:
        """How many more seconds a cell has whose time is over."""
        if not request.get("asks"):
            return 0.0
        self.send(id=request["id"], event="late")
        answer = sys.stdin.buffer.readline()
        return float(json.loads(answer)["more"]) if answer else 0.0

    def _until_done(
        self, request: dict[str, Any], deadline: float, room: int
    ) -> tuple[dict[str, Any] | None, int]:
        """Pass outputs on until the cell has ended (None: the deadline); the room left."""
        while (heard := self.shell.receive(deadline)) is not None:
            for message in heard:
                if message["event"] == "done":
                    name, value = message["error"]
                    done = {"status": message["status"], "expressions": message["expressions"]}
                    return {**done, "error": [name[:200], value[:8000]]}, room
                room = self._pass_on(message["output"], request, room)
                if message.get("shown"):
                    self.shell.send(None)
        return None, room

    def _pass_on(self, output: dict[str, Any], request: dict[str, Any], room: int) -> int:
        """Send one output unless the room is used up; returns the room left."""
        if request.get("silent") and output["output_type"] != "error":
            return room
        size = len(json.dumps(output))
        if size <= room:
            self.send(id=request["id"], event="output", output=output)
        elif room > 0:
            text = "\n[the rest of the output was left out]\n"
            self.send(
                id=request["id"],
                event="output",
                output={"output_type": "stream", "name": "stdout", "text": text},
            )
            return 0
        return max(room - size, 0)


def main(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    relay = Relay(folder)
    try:
        for line in sys.stdin.buffer:
            relay.answer(json.loads(line))
    except ShellDeadError:
        for _ in range(50):
            if relay.shell.ended():
                break
            time.sleep(POLL_SECONDS)
        return 128 + signal.SIGKILL if relay.shell.status == -signal.SIGKILL else 1
    relay.shell.end()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
