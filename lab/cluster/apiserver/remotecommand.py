"""What exec and attach speak over a WebSocket: numbered channels, and a Status at the end."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable

from aiohttp import WSMsgType, web

from lab.cluster.kubelet.engine import Attached, EngineError
from lab.cluster.model.objects import Obj

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
# Channels; 1 and 2 are stdout and stderr, as the engine numbers them, too.
STDIN, ERROR, RESIZE, CLOSE = 0, 3, 4, 255


class Channels:
    """What flows between a WebSocket's channels and a process."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        attached: Attached,
        resize: Callable[[int, int], Awaitable[None]],
        *,
        tty: bool,
        stdin: bool,
    ) -> None:
        self.socket, self.attached, self.resize = socket, attached, resize
        self.tty, self.stdin = tty, stdin

    async def run(self, hold_back: bytes = b"", ended: asyncio.Future[None] | None = None) -> bytes:
        """Until the process's output ends, ``ended`` is done or the client leaves.

        Output that begins with ``hold_back`` is not sent but returned.
        """
        reading = asyncio.ensure_future(self._from_client())
        writing = asyncio.ensure_future(self._to_client(hold_back))
        tasks = [task for task in (reading, writing, ended) if task]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return writing.result() if writing.done() else b""
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.attached.close()

    async def _to_client(self, hold_back: bytes) -> bytes:
        first = True
        async for channel, data in self.attached.output():
            if first and hold_back and data.startswith(hold_back):
                return data
            first = False
            await self.socket.send_bytes(bytes([channel]) + data)
        return b""

    async def _from_client(self) -> None:
        async for message in self.socket:
            if message.type != WSMsgType.BINARY or not message.data:
                continue
            channel, data = message.data[0], message.data[1:]
            if channel == STDIN and self.stdin and data:
                await self.attached.write(data)
            elif channel == CLOSE and data[:1] == bytes([STDIN]):
                self.attached.end_input()
            elif channel == RESIZE and self.tty:
                with contextlib.suppress(ValueError, KeyError, TypeError, EngineError):
                    size = json.loads(data)
                    if min(size["Width"], size["Height"]) > 0:
                        await self.resize(int(size["Width"]), int(size["Height"]))


def success() -> Obj:
    return {"metadata": {}, "status": "Success"}


def failure(message: str) -> Obj:
    return {
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": "InternalError",
        "code": 500,
    }


def _exited(code: int) -> Obj:
    message = f"command terminated with non-zero exit code: exit status {code}"
    causes = {"causes": [{"reason": "ExitCode", "message": str(code)}]}
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": message,
        "details": causes,
    }


def exit_status(process: str, state: Obj, held_back: bytes) -> Obj:
    if held_back:
        output = held_back.decode(errors="replace").strip()
        failed = (
            "error executing command in container: failed to exec in container: failed to start"
            f' exec "{process}": {output}'
        )
        return failure(f"Internal error occurred: Internal error occurred: {failed}")
    code = int(state.get("ExitCode") or 0)
    return success() if code == 0 else _exited(code)
