"""The main process of a sandbox's kernel container: JSON lines on standard input and output, a Jupyter kernel behind them.

Run by path (``python -P .../grader/relay.py FOLDER``): it imports nothing of the course. Kernel and relay talk over sockets in the file
system, since containers that share a network namespace could reach each other's ports. Whoever reads the answers must not trust them:
the kernel may have replaced this process.

Requests:  ``{"id": 1, "op": "run", "code": str, "silent": bool, "expressions": {name: code}, "timeout": seconds}``
           ``{"id": 2, "op": "write", "path": "relative/path", "data": base64}``
Answers:   ``{"event": "ready"}`` once, then for each request any number of ``{"id", "event": "output", "output": {...}}`` (a notebook's
           output) and one ``{"id", "event": "done", "status": "ok" | "error" | "timeout" | "dead", "error": [name, value], "expressions"}``.

The process ends when its input does, or with the kernel: exit status 137 when that was killed by SIGKILL, else 1.
"""

import base64
import json
import os
import queue
import signal
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

START_SECONDS = 60
POLL_SECONDS = 0.1  # how soon the death of a silent kernel is noticed
GRACE_SECONDS = 5.0  # from the interrupt of a cell to the end of the kernel that ignores it
MAX_OUTPUT_CHARS = 300_000  # of one cell; the rest is dropped here, so that it never leaves the container
OUTPUTS = {"stream", "display_data", "execute_result", "error"}


class KernelDeadError(Exception):
    """The kernel has ended, or was ended here because it ignored its interrupt."""


class Relay:
    """Answers one request after the other."""

    def __init__(self, folder: Path, answers: TextIO) -> None:
        self.folder = folder
        self.answers = answers
        self.manager = KernelManager(kernel_name="python3", transport="ipc", ip=f"/tmp/kernel-{os.getpid()}")  # noqa: S108
        self.manager.start_kernel(cwd=str(folder), extra_arguments=["--HistoryManager.enabled=False"])
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=START_SECONDS)

    def send(self, **message: Any) -> None:
        self.answers.write(json.dumps(message) + "\n")
        self.answers.flush()

    def answer(self, request: dict[str, Any]) -> None:
        """Raises KernelDeadError after its last answer."""
        if request["op"] == "write":
            self._write(request)
            return
        try:
            self._run(request)
        except KernelDeadError:
            self.send(id=request["id"], event="done", status="dead")
            raise

    def exit_status(self) -> int:
        process = getattr(self.manager.provisioner, "process", None)
        return 128 + signal.SIGKILL if process is not None and process.returncode == -signal.SIGKILL else 1

    def _write(self, request: dict[str, Any]) -> None:
        path = self.folder / request["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(request["data"]))
        self.send(id=request["id"], event="done", status="ok")

    def _run(self, request: dict[str, Any]) -> None:
        silent = bool(request.get("silent"))
        message = self.client.execute(
            request["code"],
            silent=silent,
            store_history=not silent,
            user_expressions=request.get("expressions") or {},
            allow_stdin=False,
            stop_on_error=False,
        )
        in_time = self._until_idle(message, request["id"], time.monotonic() + request["timeout"])
        if not in_time:
            self.manager.interrupt_kernel()
            if not self._until_idle(message, request["id"], time.monotonic() + GRACE_SECONDS):
                self.manager.shutdown_kernel(now=True)
                raise KernelDeadError
        reply = self._reply(message)
        error = [str(reply.get("ename", ""))[:200], str(reply.get("evalue", ""))[:8000]]
        status = reply["status"] if in_time else "timeout"
        self.send(
            id=request["id"], event="done", status=status, error=error, expressions=reply.get("user_expressions") or {}
        )

    def _until_idle(self, message: str, number: int, deadline: float) -> bool:
        """Pass outputs on until the kernel is idle; False at the deadline."""
        room = MAX_OUTPUT_CHARS
        while time.monotonic() < deadline:
            try:
                heard = self.client.get_iopub_msg(timeout=POLL_SECONDS)
            except queue.Empty:
                if not self.manager.is_alive():
                    raise KernelDeadError from None
                continue
            if heard["parent_header"].get("msg_id") != message:
                continue
            if heard["msg_type"] == "status" and heard["content"]["execution_state"] == "idle":
                return True
            if heard["msg_type"] in OUTPUTS:
                room = self._pass_on(heard["msg_type"], heard["content"], number, room)
        return False

    def _pass_on(self, kind: str, content: dict[str, Any], number: int, room: int) -> int:
        """Send one output unless the cell's room is used up (said once); returns the room that is left."""
        output = {**{key: value for key, value in content.items() if key != "transient"}, "output_type": kind}
        size = len(json.dumps(output))
        if size <= room:
            self.send(id=number, event="output", output=output)
        elif room > 0:
            self.send(
                id=number,
                event="output",
                output={"output_type": "stream", "name": "stdout", "text": "\n[the rest of the output was left out]\n"},
            )
            return 0
        return max(room - size, 0)

    def _reply(self, message: str) -> dict[str, Any]:
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline:
            try:
                heard = self.client.get_shell_msg(timeout=POLL_SECONDS)
            except queue.Empty:
                if not self.manager.is_alive():
                    raise KernelDeadError from None
                continue
            if heard["parent_header"].get("msg_id") == message:
                return dict(heard["content"])
        raise KernelDeadError


def main(folder: Path) -> int:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # nothing else may write between the answers
    folder.mkdir(parents=True, exist_ok=True)
    relay = Relay(folder, answers)
    relay.send(event="ready")
    try:
        for line in sys.stdin.buffer:
            relay.answer(json.loads(line))
    except KernelDeadError:
        return relay.exit_status()
    relay.manager.shutdown_kernel(now=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
