"""Streams into a Pod: logs over HTTP, exec and attach over WebSocket (v5.channel.k8s.io),
port-forward over SPDY in a WebSocket.
"""

import asyncio
import contextlib
import json
from collections.abc import Coroutine
from typing import Any

from aiohttp import WSMsgType, web

from lab.cluster.apiserver import spdy
from lab.cluster.apiserver.negotiation import dumps
from lab.cluster.kubelet.engine import Attached, EngineError
from lab.cluster.kubelet.kubelet import Kubelet
from lab.cluster.model.errors import APIError, bad_request
from lab.cluster.model.objects import Obj, at, containers_of, name_of, namespace_of, uid_of

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
PORT_FORWARD = "SPDY/3.1+portforward.k8s.io"
STDIN, ERROR, RESIZE, CLOSE = (
    0,
    3,
    4,
    255,
)  # channels; 1 and 2 are stdout and stderr, as the engine numbers them, too
NOT_STARTED = b"OCI runtime exec failed"
CHUNK = 32 * 1024
DRAIN_SECONDS = 0.3


class RefusedError(Exception):
    """A stream that cannot be opened; kubectl prints the text after "unable to upgrade
    connection".
    """


class Streams:
    def __init__(self, kubelet: Kubelet) -> None:
        self.kubelet, self.engine = kubelet, kubelet.engine

    async def handle(self, kind: str, pod: Obj, request: web.Request) -> web.StreamResponse:
        if kind == "log":
            return await self.log(pod, request)
        handler = {"exec": self.exec, "attach": self.attach, "portforward": self.port_forward}[kind]
        try:
            return await handler(pod, request)
        except (RefusedError, EngineError) as refused:
            return web.Response(text=str(refused), status=500)

    # --------------------------------------------------------------------- logs

    async def log(self, pod: Obj, request: web.Request) -> web.StreamResponse:
        container = _container_name(pod, request)
        identity = self.kubelet.log_source(
            pod, container, previous=request.query.get("previous") == "true"
        )
        follow = request.query.get("follow") == "true"
        limit = _whole(request, "limitBytes")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        left = limit if limit is not None else -1
        tty = bool(_spec(pod, container).get("tty"))
        with contextlib.suppress(ConnectionError, EngineError):
            async for chunk in self.engine.logs(
                identity, tty=tty, follow=follow, options=_log_options(request)
            ):
                if left >= 0:
                    chunk, left = chunk[:left], max(0, left - len(chunk))
                await response.write(chunk)
                if left == 0:
                    break
        return response

    # ----------------------------------------------------------- exec and attach

    async def exec(self, pod: Obj, request: web.Request) -> web.StreamResponse:
        container = _container_name(pod, request)
        command = request.query.getall("command", [])
        if not command:
            raise bad_request("you must specify at least one command for the container")
        identity = self.kubelet.running_container(pod, container)
        if identity is None:
            raise RefusedError(f'container not found ("{container}")')
        tty, stdin = _flag(request, "tty"), _flag(request, "stdin")
        process = await self.engine.exec_create(identity, command, tty=tty, stdin=stdin)
        _need_websocket(
            request
        )  # only now: refused over WebSocket, kubectl asks over SPDY, and shows that answer
        socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=0)
        await socket.prepare(request)

        async def resize(width: int, height: int) -> None:
            await self.engine.exec_resize(process, width, height)

        try:
            attached = await self.engine.exec_start(process, tty=tty)
            seen = await _Channels(socket, attached, resize, tty=tty, stdin=stdin).run(
                hold_back=NOT_STARTED
            )
            state = await self.engine.exec_inspect(process)
            status = _exit_status(process, state, seen)
        except EngineError as error:
            status = _failure(f"Internal error occurred: {error}")
        with contextlib.suppress(ConnectionError):  # the client may be gone
            await socket.send_bytes(bytes([ERROR]) + dumps(status))
            await socket.close()
        return socket

    async def attach(self, pod: Obj, request: web.Request) -> web.StreamResponse:
        container = _container_name(pod, request)
        identity = self.kubelet.running_container(pod, container)
        # One that has just ended may not be known to have: kubectl then shows its log instead.
        if identity is None or not (await self.engine.inspect(identity))["State"]["Running"]:
            raise RefusedError(
                f"container {container} not found in pod {name_of(pod)}_{namespace_of(pod)}"
            )
        _need_websocket(request)
        tty, stdin = _flag(request, "tty"), _flag(request, "stdin")
        socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=0)
        await socket.prepare(request)

        async def resize(width: int, height: int) -> None:
            await self.engine.container_resize(identity, width, height)

        attached = await self.engine.attach(
            identity, tty=bool(_spec(pod, container).get("tty")), stdin=stdin
        )
        ended = asyncio.ensure_future(self._after_end(identity))
        await _Channels(socket, attached, resize, tty=tty, stdin=stdin).run(ended=ended)
        with contextlib.suppress(
            ConnectionError
        ):  # how the container ends is its status's matter, not the stream's
            await socket.send_bytes(bytes([ERROR]) + dumps(_success()))
            await socket.close()
        return socket

    async def _after_end(self, identity: str) -> None:
        """Until the container has ended and its last output has had time to arrive: one that ended
        before never ends its stream.
        """
        with contextlib.suppress(EngineError):
            await self.engine.wait(identity)
        await asyncio.sleep(DRAIN_SECONDS)

    # -------------------------------------------------------------- port-forward

    async def port_forward(self, pod: Obj, request: web.Request) -> web.StreamResponse:
        address = at(pod, "status", "podIP")
        if not address or at(pod, "status", "phase") != "Running":
            raise RefusedError(f'pod not found ("{name_of(pod)}_{namespace_of(pod)}")')
        if request.headers.get(
            "Upgrade", ""
        ).lower() != "websocket" or PORT_FORWARD not in request.headers.get(
            "Sec-WebSocket-Protocol", ""
        ):
            raise APIError(
                403,
                "Forbidden",
                f"port-forward is spoken over WebSocket with the protocol {PORT_FORWARD} only",
            )
        socket = web.WebSocketResponse(protocols=(PORT_FORWARD,), max_msg_size=0)
        await socket.prepare(request)
        forward = _PortForward(socket, pod, address)
        await forward.run()
        return socket


def _flag(request: web.Request, name: str) -> bool:
    return request.query.get(name) in ("true", "1")


def _whole(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    if not text.isdigit():
        raise bad_request(f'{name}: Invalid value: "{text}": must be a whole number')
    return int(text)


def _log_options(request: web.Request) -> dict[str, str]:
    tail, seconds = _whole(request, "tailLines"), _whole(request, "sinceSeconds")
    options = {"timestamps": "true" if request.query.get("timestamps") == "true" else "false"}
    if tail is not None:
        options["tail"] = str(tail)
    if seconds is not None:
        options["since_seconds"] = str(seconds)
    if request.query.get("sinceTime"):
        options["since_time"] = request.query["sinceTime"]
    return options


def _container_name(pod: Obj, request: web.Request) -> str:
    """The container that the request names, or the only one. APIError (400) otherwise."""
    names = [c["name"] for c in containers_of(pod["spec"])]
    wanted = request.query.get("container", "")
    if wanted and wanted not in names:
        raise bad_request(f"container {wanted} is not valid for pod {name_of(pod)}")
    if not wanted and len(pod["spec"]["containers"]) > 1:
        regular = " ".join(c["name"] for c in pod["spec"]["containers"])
        raise bad_request(
            f"a container name must be specified for pod {name_of(pod)}, choose one of: [{regular}]"
        )
    return str(wanted or pod["spec"]["containers"][0]["name"])


def _spec(pod: Obj, container: str) -> Obj:
    return next(c for c in containers_of(pod["spec"]) if c["name"] == container)


def _need_websocket(request: web.Request) -> None:
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise APIError(
            403,
            "Forbidden",
            "exec and attach are spoken over WebSocket only (kubectl 1.31 and later do so)",
        )


def _success() -> Obj:
    return {"metadata": {}, "status": "Success"}


def _failure(message: str) -> Obj:
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


def _exit_status(process: str, state: Obj, held_back: bytes) -> Obj:
    if held_back:
        said = held_back.decode(errors="replace").strip()
        failed = (
            "error executing command in container: failed to exec in container: failed to start"
            f' exec "{process}": {said}'
        )
        return _failure(f"Internal error occurred: Internal error occurred: {failed}")
    code = int(state.get("ExitCode") or 0)
    return _success() if code == 0 else _exited(code)


class _Channels:
    """What flows between a WebSocket's channels and a process."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        attached: Attached,
        resize: Any,
        *,
        tty: bool,
        stdin: bool,
    ) -> None:
        self.socket, self.attached, self.resize, self.tty, self.stdin = (
            socket,
            attached,
            resize,
            tty,
            stdin,
        )

    async def run(
        self, hold_back: bytes = b"", ended: "asyncio.Future[None] | None" = None
    ) -> bytes:
        """Until the process's output ends, ``ended`` is done or the client leaves. Output that
        begins with ``hold_back`` is not sent but returned.
        """
        reading = asyncio.ensure_future(self._from_client())
        writing = asyncio.ensure_future(self._to_client(hold_back))
        tasks = (reading, writing, ended)
        try:
            await asyncio.wait(
                [task for task in tasks if task], return_when=asyncio.FIRST_COMPLETED
            )
            return writing.result() if writing.done() else b""
        finally:
            running = [task for task in tasks if task]
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
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


class _PortForward:
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

        async def to_pod() -> None:
            while (chunk := await data.incoming.get()) is not None:
                writer.write(chunk)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()

        inward = asyncio.ensure_future(to_pod())
        try:
            while chunk := await reader.read(CHUNK):
                await data.write(chunk)
            await data.close()
            await inward
        except (ConnectionError, RuntimeError):
            pass
        finally:
            inward.cancel()
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
