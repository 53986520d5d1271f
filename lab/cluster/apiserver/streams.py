"""Streams into a Pod: logs over HTTP; exec, attach and port-forward over WebSocket."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from lab.cluster.apiserver import portforward
from lab.cluster.apiserver.negotiation import dumps
from lab.cluster.apiserver.remotecommand import (
    ERROR,
    PROTOCOLS,
    Channels,
    exit_status,
    failure,
    success,
)
from lab.cluster.kubelet.engine import Engine, EngineError
from lab.cluster.kubelet.kubelet import Kubelet
from lab.cluster.model.errors import APIError, bad_request
from lab.cluster.model.objects import Obj, at, containers_of, name_of, namespace_of

Handler = Callable[[Obj, web.Request], Awaitable[web.StreamResponse]]
NOT_STARTED = b"OCI runtime exec failed"
DRAIN_SECONDS = 0.3
KUBELET_PORT = 10250


class UpgradeRefused(Exception):  # noqa: N818  (its name says what happened)
    """A stream cannot be opened; kubectl prints why after "unable to upgrade connection"."""


class Streams:
    """What flows between a client and a Pod: logs, exec, attach, port-forward.

    A real API server passes these requests on to the kubelet's own server; here the kubelet is in
    the same process and only says which of the engine's containers is meant. Left out: SPDY for
    exec and attach, which kubectl no longer speaks first. ``APIServer`` calls ``handle``.
    """

    def __init__(self, kubelet_of: Callable[[Obj], Kubelet | None], engine: Engine) -> None:
        self._kubelet_of, self.engine = kubelet_of, engine
        self.handlers: Mapping[str, Handler] = {
            "log": self.log,
            "exec": self.exec,
            "attach": self.attach,
            "portforward": self.port_forward,
        }

    def _kubelet(self, pod: Obj, asked: str = "error dialing backend") -> Kubelet:
        """The kubelet of the Pod's node. APIError (500) when that machine does not answer."""
        kubelet = self._kubelet_of(pod)
        if kubelet is None:
            why = f"dial tcp {_kubelet_address(pod)}: connect: no route to host"
            raise APIError(500, "", f"{asked}: {why}")
        return kubelet

    async def handle(self, kind: str, pod: Obj, request: web.Request) -> web.StreamResponse:
        """Answer a request for one of these subresources of a Pod."""
        try:
            return await self.handlers[kind](pod, request)
        except (UpgradeRefused, EngineError) as refused:
            return web.Response(text=str(refused), status=500)

    # --------------------------------------------------------------------- logs

    async def log(self, pod: Obj, request: web.Request) -> web.StreamResponse:
        container = _container_name(pod, request)
        path = f"containerLogs/{namespace_of(pod)}/{name_of(pod)}/{container}"
        asked = f'Get "https://{_kubelet_address(pod)}/{path}"'
        identity = self._kubelet(pod, asked).log_source(
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
        identity = self._kubelet(pod).running_container(pod, container)
        if identity is None:
            raise UpgradeRefused(f'container not found ("{container}")')
        tty, stdin = _flag(request, "tty"), _flag(request, "stdin")
        process = await self.engine.exec_create(identity, command, tty=tty, stdin=stdin)
        # Only now: refused over WebSocket, kubectl asks over SPDY, and shows that answer.
        _need_websocket(request)
        socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=0)
        await socket.prepare(request)

        async def resize(width: int, height: int) -> None:
            await self.engine.exec_resize(process, width, height)

        try:
            attached = await self.engine.exec_start(process, tty=tty)
            channels = Channels(socket, attached, resize, tty=tty, stdin=stdin)
            held_back = await channels.run(hold_back=NOT_STARTED)
            state = await self.engine.exec_inspect(process)
            status = exit_status(process, state, held_back)
        except EngineError as error:
            status = failure(f"Internal error occurred: {error}")
        with contextlib.suppress(ConnectionError):  # the client may be gone
            await socket.send_bytes(bytes([ERROR]) + dumps(status))
            await socket.close()
        return socket

    async def attach(self, pod: Obj, request: web.Request) -> web.StreamResponse:
        container = _container_name(pod, request)
        identity = self._kubelet(pod).running_container(pod, container)
        # One that has just ended may not be known to have: kubectl then shows its log instead.
        if identity is None or not (await self.engine.inspect(identity))["State"]["Running"]:
            raise UpgradeRefused(
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
        await Channels(socket, attached, resize, tty=tty, stdin=stdin).run(ended=ended)
        # How the container ends is its status's matter, not the stream's.
        with contextlib.suppress(ConnectionError):
            await socket.send_bytes(bytes([ERROR]) + dumps(success()))
            await socket.close()
        return socket

    async def _after_end(self, identity: str) -> None:
        """Until the container has ended and its last output has had time to arrive.

        The stream of one that ended before never ends by itself.
        """
        with contextlib.suppress(EngineError):
            await self.engine.wait(identity)
        await asyncio.sleep(DRAIN_SECONDS)

    # -------------------------------------------------------------- port-forward

    async def port_forward(self, pod: Obj, request: web.Request) -> web.StreamResponse:
        self._kubelet(pod)
        address = at(pod, "status", "podIP")
        if not address or at(pod, "status", "phase") != "Running":
            raise UpgradeRefused(f'pod not found ("{name_of(pod)}_{namespace_of(pod)}")')
        spoken = request.headers.get("Sec-WebSocket-Protocol", "")
        if not _is_websocket(request) or portforward.PROTOCOL not in spoken:
            why = "port-forward is spoken over WebSocket with the protocol"
            raise APIError(403, "Forbidden", f"{why} {portforward.PROTOCOL} only")
        socket = web.WebSocketResponse(protocols=(portforward.PROTOCOL,), max_msg_size=0)
        await socket.prepare(request)
        await portforward.PortForward(socket, pod, address).run()
        return socket


def _kubelet_address(pod: Obj) -> str:
    return f"{at(pod, 'status', 'hostIP', default='')}:{KUBELET_PORT}"


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
    if not _is_websocket(request):
        why = "exec and attach are spoken over WebSocket only (kubectl 1.31 and later do so)"
        raise APIError(403, "Forbidden", why)


def _is_websocket(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"
