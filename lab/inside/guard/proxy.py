"""The guard of a grading sandbox: a proxy between the student's Docker socket and the engine.

    python -I -m lab.inside.guard.proxy --listen SOCKET --engine SOCKET [--cluster SOCKET]

The kubelet of a sandbox's cluster asks through it as well, at a socket of its own: what a Pod may
ask for is what a container may. Each connection carries one request. Its head is parsed by h11 and
written anew, JSON is judged as a whole before the engine hears of it, contexts and archives stream
through. The answer goes back untouched. A thread for each direction: dozens of connections at most,
and little to import.
"""

import argparse
import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import h11

from lab.inside.guard.policy import Route, judge, judged_body
from lab.inside.guard.strict import MAX_BODY_BYTES, Forbidden, malformed

CHUNK = 65_536
CONNECTIONS = 64
HEAD_SECONDS = 30.0  # for a client to say what it wants
LINGER_SECONDS = 2.0  # for a client that was refused to finish what it says
FORWARDED = ("user-agent", "accept", "x-registry-auth", "x-registry-config", "traceparent")
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
        """What came after the request, before anybody read it."""
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
        self._hear_out()

    def _hear_out(self) -> None:
        """Take what is still on its way, within limits.

        A client that cannot send its whole request reports that, and not the answer.
        """
        self.socket.shutdown(socket.SHUT_WR)
        deadline, room = time.monotonic() + LINGER_SECONDS, MAX_BODY_BYTES
        while room > 0 and (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            piece = self.socket.recv(CHUNK)
            if not piece:
                return
            room -= len(piece)


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
        connected, _ = listener.accept()
        threading.Thread(
            target=_handle, args=(connected, engine, free, cluster), daemon=True
        ).start()


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
    content = None
    if route.body != "stream":
        content = judged_body(route, b"".join(_limited(client.body())), cluster=cluster)
    with socket.socket(socket.AF_UNIX) as upstream:
        upstream.connect(str(engine))
        answering = threading.Thread(target=_answer, args=(upstream, client.socket), daemon=True)
        answering.start()
        # The engine may have answered, and closed, before it has heard all.
        with contextlib.suppress(OSError):
            upstream.sendall(_head(request, route, target, content) + (content or b""))
            if content is None:
                _stream(client, upstream)
            elif route.hijacks:
                upstream.sendall(client.rest())
            _follow(client.socket, upstream, hijacks=route.hijacks)
        answering.join()


def _limited(pieces: Iterator[bytes]) -> Iterator[bytes]:
    room = MAX_BODY_BYTES
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            raise malformed(f"a request may have at most {MAX_BODY_BYTES // 1_000_000} MB of JSON")
        yield piece


def _head(request: h11.Request, route: Route, target: str, content: bytes | None) -> bytes:
    given = {name.decode(): value for name, value in request.headers}
    headers = [("Host", b"docker")]
    # A session names each of its services in a header of the same name.
    for name, value in request.headers:
        if name.decode() in FORWARDED or name.startswith(SESSION):
            headers.append((name.decode(), value))
    if route.hijacks and "upgrade" in given:
        if given["upgrade"].lower() not in (b"tcp", b"h2c"):
            raise malformed("a connection can become a stream of bytes or of gRPC, nothing else")
        headers += [("Connection", b"Upgrade"), ("Upgrade", given["upgrade"])]
    else:
        headers += [("Connection", b"close")]
    if content is None:
        headers += [("Content-Type", b"application/x-tar"), ("Transfer-Encoding", b"chunked")]
    elif content or route.body == "json":
        headers += [
            ("Content-Type", b"application/json"),
            ("Content-Length", str(len(content)).encode()),
        ]
    lines = [
        f"{request.method.decode()} {target} HTTP/1.1".encode(),
        *(name.encode() + b": " + value for name, value in headers),
    ]
    return b"\r\n".join([*lines, b"", b""])


def _stream(client: Client, upstream: socket.socket) -> None:
    for piece in client.body():
        upstream.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
    upstream.sendall(b"0\r\n\r\n")


def _follow(client: socket.socket, upstream: socket.socket, *, hijacks: bool) -> None:
    """Wait until the client leaves.

    In a hijacked connection all that it sends goes to the engine, and the end of its input as well.
    """
    while piece := client.recv(CHUNK):
        if hijacks:
            upstream.sendall(piece)
    upstream.shutdown(socket.SHUT_WR if hijacks else socket.SHUT_RDWR)


def _answer(upstream: socket.socket, client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := upstream.recv(CHUNK):
            client.sendall(piece)
    for end, way in ((upstream, socket.SHUT_RDWR), (client, socket.SHUT_RDWR)):
        with contextlib.suppress(OSError):
            end.shutdown(way)


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
