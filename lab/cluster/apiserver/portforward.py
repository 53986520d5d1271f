"""``kubectl port-forward``: connections to a Pod's ports, over SPDY in a WebSocket."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from aiohttp import WSMsgType, web

from lab.cluster.apiserver import spdy
from lab.cluster.model.objects import Obj, uid_of
from lab.cluster.network.pump import Connected, chunks, pump

PROTOCOL = "SPDY/3.1+portforward.k8s.io"


class PortForward:
    """Connections to a Pod's ports, a pair of streams each: ``data`` and ``error``."""

    def __init__(self, socket: web.WebSocketResponse, pod: Obj, address: str) -> None:
        self.socket, self.pod, self.address = socket, pod, address
        self.errors: dict[str, spdy.Stream] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.lock = asyncio.Lock()

    async def run(self) -> None:
        connection = spdy.Connection(self._send, self._opened)
        try:
            async for message in self.socket:
                if message.type == WSMsgType.BINARY:
                    await connection.receive(message.data)
        except spdy.ProtocolError:
            await self.socket.close(code=1002)
        finally:
            connection.end()
            for task in self.tasks:
                task.cancel()

    async def _send(self, data: bytes) -> None:
        async with self.lock:
            await self.socket.send_bytes(data)

    def _opened(self, stream: spdy.Stream) -> None:
        request = stream.headers.get("requestid", "")
        if stream.headers.get("streamtype") == "error":
            self.errors[request] = stream
        elif stream.headers.get("streamtype") == "data":
            self._start(self._forward(stream, self.errors.pop(request, None)))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _forward(self, data: spdy.Stream, errors: spdy.Stream | None) -> None:
        port = data.headers.get("port", "")
        try:
            reader, writer = await asyncio.open_connection(self.address, int(port))
        except (OSError, ValueError):
            await self._report(data, errors, port)
            return
        if errors:
            await errors.close()

        to_pod = asyncio.ensure_future(pump(data.chunks(), Connected(writer)))
        try:
            await pump(chunks(reader), data)
            await to_pod
        except (ConnectionError, RuntimeError):
            pass
        finally:
            to_pod.cancel()
            writer.close()

    async def _report(self, data: spdy.Stream, errors: spdy.Stream | None, port: str) -> None:
        """Say why nothing can be forwarded, as the kubelet of a real node does."""
        sandbox = (
            self.pod["metadata"].get("annotations", {}).get("sandbox")
            or uid_of(self.pod).replace("-", "") * 2
        )
        refused = (
            f'failed to connect to localhost:{port} inside namespace "{sandbox[:64]}", IPv4: dial'
            f" tcp4 127.0.0.1:{port}: connect: connection refused IPv6 dial tcp6: address"
            " localhost: no suitable address found "
        )
        message = (
            f"error forwarding port {port} to pod {sandbox[:64]}, uid : failed to execute"
            f' portforward in network namespace "/var/run/netns/cni-{uid_of(self.pod)}": {refused}'
        )
        if errors:
            await errors.write(message.encode())
            await errors.close()
        await data.close()
