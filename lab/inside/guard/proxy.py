"""The guard of a grading sandbox: a proxy between the student's Docker socket and the engine.

    python -I -m lab.inside.guard.proxy --listen SOCKET --engine SOCKET [--cluster SOCKET]

The kubelet of a sandbox's cluster asks through it as well, at a socket of its own: what a Pod may
ask for is what a container may. Each connection carries one request. Its head is parsed by h11 and
written anew, JSON is judged as a whole before the engine hears of it, contexts and archives stream
through. The answer goes back untouched. What a client sends after its request reaches the engine
only where the engine has answered 101: until then it would read those bytes as another request,
which nobody has judged. A thread for each direction: dozens of connections at most, and little to
import.
"""

import argparse
import contextlib
import fcntl
import json
import os
import select
import socket
import sys
import termios
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import h11

from lab.inside.guard.owners import Owners
from lab.inside.guard.policy import Route, judge, judged_body
from lab.inside.guard.strict import MAX_BODY_BYTES, Forbidden, malformed, too_large

CHUNK = 65_536
CONNECTIONS = 64
HEAD_SECONDS = 30.0  # for a client to say what it wants
LINGER_SECONDS = 2.0  # for a client that was refused to finish what it says
LINGER_BYTES = 1_000_000
HEAD_READ_SECONDS = 5.0  # for a client to read that the engine has agreed
LOOK_SECONDS = 0.001
PAUSE_SECONDS = 0.1  # before the next client is accepted, where one could not be served
FORWARDED = (b"user-agent", b"accept", b"x-registry-auth", b"x-registry-config", b"traceparent")
NOTHING = 0  # of what can be asked of a poll; that nobody is at the other end is said always
ASKING = b"guard"
SESSION = b"x-docker-expose-session-"


class Client:
    """What the student's side asks for on one connection."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.parser = h11.Connection(h11.SERVER, max_incomplete_event_size=CHUNK)

    def request(self) -> h11.Request:
        """Raises EOFError when the client leaves, h11.RemoteProtocolError when it is not HTTP."""
        self.socket.settimeout(HEAD_SECONDS)
        event = self._next()
        self.socket.settimeout(None)
        if not isinstance(event, h11.Request):
            raise EOFError
        return event

    def body(self) -> Iterator[bytes]:
        """The pieces of the request's body, however it is framed."""
        if self.parser.they_are_waiting_for_100_continue:
            go_on = self.parser.send(h11.InformationalResponse(status_code=100, headers=[]))
            self.socket.sendall(go_on or b"")
        while not isinstance(event := self._next(), h11.EndOfMessage):
            if not isinstance(event, h11.Data):
                raise EOFError
            yield bytes(event.data)

    def _next(self) -> h11.Event:
        while (event := self.parser.next_event()) is h11.NEED_DATA:
            self.parser.receive_data(self.socket.recv(CHUNK))
        if isinstance(event, (type, h11.ConnectionClosed)):
            raise EOFError
        return event

    def rest(self) -> bytes:
        """What arrived together with the request's end, and belongs to what comes after it."""
        return bytes(self.parser.trailing_data[0])

    def refuse(self, error: Forbidden) -> None:
        content = json.dumps({"message": str(error)}).encode()
        headers = [
            ("content-type", "application/json"),
            ("content-length", str(len(content))),
            ("connection", "close"),
        ]
        answer = h11.Response(status_code=error.status, headers=headers, reason=b"Refused")
        for event in (answer, h11.Data(content), h11.EndOfMessage()):
            self.socket.sendall(self.parser.send(event) or b"")
        self.hear_out()

    def hear_out(self) -> None:
        """Take what is still on its way, within limits.

        A client that cannot send its whole request reports that, and not the answer.
        """
        self.socket.shutdown(socket.SHUT_WR)
        deadline, room = time.monotonic() + LINGER_SECONDS, LINGER_BYTES
        while room > 0 and (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            piece = self.socket.recv(CHUNK)
            if not piece:
                return
            room -= len(piece)


class Upstream:
    """The engine, asked for one thing on one connection."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.parser = h11.Connection(h11.CLIENT)

    def ask(self, head: h11.Request, body: Iterable[bytes]) -> None:
        """Send the one request."""
        self._send(head)
        for piece in body:
            self._send(h11.Data(piece))
        self._send(h11.EndOfMessage())

    def _send(self, event: h11.Event) -> None:
        if data := self.parser.send(event):  # an engine that has answered may be gone already
            self.socket.sendall(data)

    def answer(self) -> tuple[int, bytes]:
        """The status and the content. Raises h11.RemoteProtocolError, OSError."""
        status, content = 0, b""
        while not isinstance(event := self.parser.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                self.parser.receive_data(self.socket.recv(CHUNK))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                content += bytes(event.data)
            else:
                raise OSError("no answer")
        return status, content

    def agrees(self, client: socket.socket) -> bool:
        """Hand on the engine's answer; whether it was 101, so that its end is not ours to see."""
        piece = b""
        while True:
            try:
                event = self.parser.next_event()
            except h11.RemoteProtocolError:
                event = None
            if isinstance(event, h11.InformationalResponse):
                if event.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
                    _send_apart(client, piece, self.parser.trailing_data[0])
                    return True
            elif event is h11.NEED_DATA:
                client.sendall(piece)
                piece = self._next_piece(client)
                self.parser.receive_data(piece)
            elif not isinstance(event, h11.Response | h11.Data):
                client.sendall(piece)
                return False

    def _next_piece(self, client: socket.socket) -> bytes:
        """Of the answer; nothing when the engine or the client has left."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        poll.register(client, NOTHING)
        if self.socket.fileno() not in {ready for ready, _ in poll.poll()}:
            return b""
        return self.socket.recv(CHUNK)


def serve(listen: Path, engine: Path, *, cluster: bool = False) -> None:
    """Accept connections for ever.

    ``cluster``: whoever connects is the kubelet, which names and labels what it makes as its own.
    """
    listen.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(listen))
    listener.listen(CONNECTIONS)
    free = threading.BoundedSemaphore(CONNECTIONS)
    while True:
        free.acquire()
        try:
            connected, _ = listener.accept()
            handling = (connected, engine, free, cluster)
            threading.Thread(target=_handle, args=handling, daemon=True).start()
        # No descriptor or no process is left: containers have used them up. This client is not
        # served; the next one is.
        except (OSError, RuntimeError):
            free.release()
            time.sleep(PAUSE_SECONDS)


def _handle(
    connected: socket.socket, engine: Path, free: threading.BoundedSemaphore, cluster: bool
) -> None:
    client = Client(connected)
    try:
        with connected, contextlib.suppress(OSError, EOFError):
            try:
                _carry(client, engine, cluster=cluster)
            except Forbidden as error:
                client.refuse(error)
            except h11.RemoteProtocolError as error:
                client.refuse(malformed(f"a request has to be plain HTTP ({error})"))
    except h11.LocalProtocolError:
        pass  # too late for an answer: the connection's end says it
    finally:
        free.release()


def _carry(client: Client, engine: Path, *, cluster: bool) -> None:
    request = client.request()
    route, target = judge(
        request.method.decode(), request.target.decode("latin-1"), cluster=cluster
    )
    settle = None
    if not cluster:
        owners = Owners(partial(_inspect, engine))
        target, settle = owners.settled_target(route.method, target), owners.settle
    content = None
    if route.body != "stream":
        body = b"".join(_limited(client.body()))
        content = judged_body(route, body, cluster=cluster, settle=settle)
    head = _head(request, route, target, content)
    with socket.socket(socket.AF_UNIX) as connected:
        connected.connect(str(engine))
        upstream = Upstream(connected)
        if b"upgrade" in dict(head.headers):
            _carry_upgrade(client, upstream, head, content or b"")
            return
        answering = threading.Thread(target=_answer, args=(connected, client.socket), daemon=True)
        answering.start()
        try:
            # The engine may have answered, and closed, before it has heard all.
            with contextlib.suppress(OSError):
                upstream.ask(head, client.body() if content is None else [content])
                _wait_for_end(client.socket)
        finally:
            _hang_up(connected)
            answering.join()


def _carry_upgrade(client: Client, upstream: Upstream, head: h11.Request, content: bytes) -> None:
    """Bytes go both ways once the engine has agreed; else its answer is all there is."""
    upstream.ask(head, [content])
    if not upstream.agrees(client.socket):
        client.hear_out()
        return
    connected = upstream.socket
    answering = threading.Thread(target=_answer, args=(connected, client.socket), daemon=True)
    answering.start()
    with contextlib.suppress(OSError):
        connected.sendall(client.rest())
        while piece := client.socket.recv(CHUNK):
            connected.sendall(piece)
        connected.shutdown(socket.SHUT_WR)  # the end of its input, not of the output
        _wait_until_gone(client.socket)
    _hang_up(connected)
    answering.join()


def _send_apart(client: socket.socket, piece: bytes, output: bytes) -> None:
    """The head of an answer and the output behind it, each by itself. Docker's Python SDK reads the
    head through a buffer and the output past it: what came together would be lost.
    """
    client.sendall(piece[: len(piece) - len(output)])
    deadline = time.monotonic() + HEAD_READ_SECONDS
    while _unread(client) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    client.sendall(output)


def _unread(client: socket.socket) -> int:
    """How many bytes of memory hold what the other end has not read yet (unix(7), SIOCOUTQ)."""
    return int.from_bytes(fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def _inspect(engine: Path, name: str) -> Mapping[str, Any] | None:
    """What the engine knows of a container; None where there is none."""
    headers = [(b"Host", b"docker"), (b"User-Agent", ASKING), (b"Connection", b"close")]
    head = h11.Request(method="GET", target=f"/containers/{name}/json", headers=headers)
    with socket.socket(socket.AF_UNIX) as connected:
        connected.settimeout(HEAD_SECONDS)
        connected.connect(str(engine))
        upstream = Upstream(connected)
        try:
            upstream.ask(head, [])
            status, content = upstream.answer()
        except (h11.RemoteProtocolError, OSError):
            status, content = HTTPStatus.SERVICE_UNAVAILABLE, b""
    if status == HTTPStatus.NOT_FOUND:
        return None
    if status != HTTPStatus.OK:
        raise Forbidden(f"The engine does not say whose container {name} is.", 503)
    return dict(json.loads(content))


def _limited(pieces: Iterator[bytes]) -> Iterator[bytes]:
    room = MAX_BODY_BYTES
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            raise too_large()
        yield piece


def _head(request: h11.Request, route: Route, target: str, content: bytes | None) -> h11.Request:
    headers: list[tuple[bytes, bytes]] = [(b"Host", b"docker")]
    # A session names each of its services in a header of the same name.
    for name, value in request.headers:
        if name in FORWARDED or name.startswith(SESSION):
            headers.append((name, value))
    upgrades = [value for name, value in request.headers if name == b"upgrade"]
    if route.upgrade and upgrades:
        if upgrades != [route.upgrade.encode()]:
            raise malformed(f"this connection can be upgraded to {route.upgrade}, nothing else")
        headers += [(b"Connection", b"Upgrade"), (b"Upgrade", route.upgrade.encode())]
    else:
        headers += [(b"Connection", b"close")]
    if content is None:
        headers += [(b"Content-Type", b"application/x-tar"), (b"Transfer-Encoding", b"chunked")]
    elif content or route.body == "json":
        length = str(len(content)).encode()
        headers += [(b"Content-Type", b"application/json"), (b"Content-Length", length)]
    return h11.Request(method=request.method, target=target, headers=headers)


def _wait_for_end(client: socket.socket) -> None:
    """Until the client leaves; what it still says is nobody's."""
    while client.recv(CHUNK):
        pass


def _wait_until_gone(client: socket.socket) -> None:
    """Until nobody reads there: one may have ended its input, and wait for output."""
    poll = select.poll()
    poll.register(client, NOTHING)
    poll.poll()


def _answer(upstream: socket.socket, client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := upstream.recv(CHUNK):
            client.sendall(piece)
    _hang_up(upstream)
    _hang_up(client)


def _hang_up(connected: socket.socket) -> None:
    """End both directions; whoever waits for it in another thread goes on."""
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def main() -> None:
    """The command line of the module."""
    parser = argparse.ArgumentParser(
        description="The guard between a student's Docker socket and the engine that grades."
    )
    parser.add_argument("--listen", type=Path, required=True)
    parser.add_argument("--engine", type=Path, required=True)
    parser.add_argument("--cluster", type=Path)
    chosen = parser.parse_args()
    os.umask(0o111)  # whoever reaches the folder of the socket may speak to the guard
    if chosen.cluster:
        waiting = {"cluster": True}
        threading.Thread(
            target=serve, args=(chosen.cluster, chosen.engine), kwargs=waiting, daemon=True
        ).start()
    serve(chosen.listen, chosen.engine)


if __name__ == "__main__":
    main()
