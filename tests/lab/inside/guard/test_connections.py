"""Connections to the guard in any order of pieces: an engine gets one request on each, judged, and
further bytes only after it has agreed to a stream.
"""

import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import docker
import h11
import pytest

from lab.inside.guard import proxy
from lab.inside.guard.policy import ROUTES, judge, judged_body
from lab.inside.guard.proxy import ASKING, serve

from .conversations import conversation, lead, targets

CONVERSATIONS, AT_ONCE = 300, 10
PATHS = [(route.method, route.path.pattern) for route in ROUTES]
WAYS = targets(PATHS, "web")
HIJACKED = [(route.method, route.path.pattern) for route in ROUTES if route.upgrade]
NO = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
AGREED = (
    b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
    b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
)
PRINTED = struct.pack(">BxxxL", 1, 4) + b"run\n"  # a frame of the engine's: standard output
AGREED_AND_SAID = AGREED.replace(b"tcp", b"h2c").replace(b"UPGRADED", b"Switching Protocols") + b"2"
# What an engine can answer, and whether it has become a stream by that.
ANSWERS: dict[bytes, bool] = {
    AGREED: True,
    AGREED + PRINTED: True,
    AGREED_AND_SAID: True,
    NO: False,
    b"HTTP/1.1 100 Continue\r\n\r\n" + NO: False,
    b"HTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n": False,
    b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\noutput": False,
    b"HTTP/1.1 204 No Content\r\n\r\n": False,
    b"HTTP/1.1 500 HTTP/1.1 101 UPGRADED\r\nContent-Length: 0\r\n\r\n" + AGREED: False,
    b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + AGREED: False,
    b"no HTTP at all\r\n\r\n": False,
    b"": False,
}
# The guard's own question, whose a container is.
NOBODYS = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@dataclass
class Heard:
    """One connection, as the engine sees it."""

    request: h11.Request | None = None
    body: bytes = b""
    whole: bool = False  # else the client left in between, and an engine does nothing
    later: bytes = b""
    stream: bool = False


@dataclass
class Engine:
    """Keeps every connection open for more, as a real one does where it was not told to close."""

    path: Path
    answers: tuple[bytes, ...] = tuple(ANSWERS)
    draw: random.Random = field(default_factory=lambda: random.Random(1))
    heard: list[Heard] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        with self.listener:
            while True:
                connected, _ = self.listener.accept()
                heard = Heard()
                self.heard.append(heard)
                answer = self.draw.choice(self.answers)
                early = self.draw.random() < 0.1
                talk = (connected, heard, answer, early)
                threading.Thread(target=self._talk, args=talk, daemon=True).start()

    def _talk(self, connected: socket.socket, heard: Heard, answer: bytes, early: bool) -> None:
        parser = h11.Connection(h11.SERVER)
        with connected:
            try:
                while not isinstance(event := parser.next_event(), h11.EndOfMessage):
                    if event is h11.NEED_DATA:
                        parser.receive_data(connected.recv(65_536))
                    elif isinstance(event, h11.Request):
                        heard.request = event
                        asks = (b"user-agent", ASKING) in event.headers
                        if early and not ANSWERS[answer] and not asks:
                            connected.sendall(answer)
                    elif isinstance(event, h11.Data):
                        heard.body += bytes(event.data)
                    else:
                        return
                heard.whole = True
                heard.later += bytes(parser.trailing_data[0])
                if heard.request and (b"user-agent", ASKING) in heard.request.headers:
                    connected.sendall(NOBODYS)
                    return
                heard.stream = ANSWERS[answer]
                for at in range(0, len(answer), 40):
                    connected.sendall(answer[at : at + 40])
                while answer and (piece := connected.recv(65_536)):
                    heard.later += piece
            except (OSError, h11.RemoteProtocolError):
                return


def guard_of(engine: Engine) -> Path:
    """The student's socket, with a guard that listens there."""
    path = engine.path.with_name("student.sock")
    threading.Thread(target=serve, args=(path, engine.path), daemon=True).start()
    while True:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            return path
        time.sleep(0.01)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(tmp_path_factory.mktemp("engine") / "docker.sock")


@pytest.fixture(scope="module")
def guarded(engine: Engine) -> Iterator[Path]:
    """The student's socket."""
    path = guard_of(engine)
    yield path
    assert (
        lead(str(path), [("send", b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"), ("wait", b"")])
        is not None
    )


def require_judged(heard: Heard, seed: int) -> None:
    """What arrived is one request that the guard would hand on as it is."""
    if heard.request is None or not heard.whole:
        assert heard.later == b"", seed
    if heard.request is None:
        return
    route, _ = judge(heard.request.method.decode(), heard.request.target.decode())
    if route.body != "stream" and heard.whole:
        assert heard.body == judged_body(route, heard.body), seed
    asked = dict(heard.request.headers)
    if heard.later:
        assert heard.stream, (seed, heard.later[:80])
        assert asked[b"upgrade"] == route.upgrade.encode(), seed
    assert (b"upgrade" in asked) or asked[b"connection"] == b"close", seed


@pytest.mark.parametrize("ways", [WAYS, targets(HIJACKED, "web")], ids=["all routes", "streams"])
def test_an_engine_gets_one_judged_request_on_each_connection(
    engine: Engine, guarded: Path, ways: list[tuple[str, str]]
) -> None:
    threads, before = threading.active_count(), len(engine.heard)
    with ThreadPoolExecutor(AT_ONCE) as clients:
        list(
            clients.map(
                lambda seed: lead(str(guarded), conversation(seed, ways)), range(CONVERSATIONS)
            )
        )
    deadline = time.monotonic() + 20
    while threading.active_count() > threads + 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() <= threads + 2, "a connection that has ended leaves nothing"
    assert CONVERSATIONS / 10 < len(engine.heard) - before <= 2 * CONVERSATIONS
    for number, heard in enumerate(engine.heard[before:]):
        require_judged(heard, number)


UPGRADE = "Connection: Upgrade\r\nUpgrade: tcp\r\n"


def asking_for_stream(upgrade: str = UPGRADE) -> bytes:
    """A request to take part in a process."""
    body = b'{"Detach":false,"Tty":false}'
    head = f"POST /v1.45/exec/none/start HTTP/1.1\r\nHost: d\r\n{upgrade}"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def ask_for_stream(path: Path, later: bytes, upgrade: str = UPGRADE) -> bytes:
    """Ask for it, and go on as if that had been granted; the answers."""
    steps = [
        ("send", asking_for_stream(upgrade)),
        ("answer", b""),
        ("send", later),
        ("end", b""),
        ("rest", b""),
    ]
    return lead(str(path), steps)


@pytest.fixture
def answering(tmp_path: Path, answer: bytes) -> tuple[Engine, Path]:
    """An engine that gives one answer, and a guard before it."""
    made = Engine(tmp_path / "docker.sock", (answer,), random.Random(3))
    return made, guard_of(made)


@pytest.mark.parametrize("answer", [AGREED])
def test_after_the_engines_agreement_all_bytes_pass(answering: tuple[Engine, Path]) -> None:
    engine, path = answering
    assert ask_for_stream(path, b"typed") == AGREED
    deadline = time.monotonic() + 20
    while engine.heard[0].later != b"typed" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert engine.heard[0].later == b"typed"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("answer", [AGREED + PRINTED])
def test_output_that_comes_with_the_agreement_reaches_dockers_own_client(
    answering: tuple[Engine, Path],
) -> None:
    _, path = answering
    client = docker.APIClient(base_url=f"unix://{path}", version="1.45")
    for _ in range(20):
        pieces, said = client.exec_start("an-exec", stream=True), b""
        while len(said) < len(b"run\n"):  # one frame may come in several pieces
            said += next(pieces)
        assert said == b"run\n"


@pytest.mark.parametrize("answer", [AGREED + PRINTED])
def test_a_client_that_does_not_read_the_agreement_gets_all_of_it_later(
    answering: tuple[Engine, Path], monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setattr(proxy, "HEAD_READ_SECONDS", 0.2)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(answering[1]))
        client.sendall(asking_for_stream())
        time.sleep(1)
        said = b""
        while len(said) < len(answer):
            said += client.recv(9)
    assert said == answer


@pytest.mark.parametrize("answer", [one for one, stream in ANSWERS.items() if not stream and one])
def test_a_refused_stream_is_answered_and_closed(
    answering: tuple[Engine, Path], answer: bytes
) -> None:
    engine, path = answering
    assert ask_for_stream(path, b"POST /containers/create HTTP/1.1\r\n\r\n").startswith(answer[:15])
    assert engine.heard[0].later == b""


@pytest.mark.parametrize("answer", [AGREED, NO])
def test_what_did_not_ask_for_a_stream_gets_none(answering: tuple[Engine, Path]) -> None:
    engine, path = answering
    ask_for_stream(path, b"POST /containers/create HTTP/1.1\r\n\r\n", upgrade="")
    assert engine.heard[0].later == b""


@pytest.mark.parametrize("answer", [AGREED])
@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "TCP", "tcp, h2c", "tcp\r\nUpgrade: h2c"])
def test_a_stream_of_another_kind_is_refused(answering: tuple[Engine, Path], upgrade: str) -> None:
    engine, path = answering
    said = ask_for_stream(path, b"x", upgrade=f"Connection: Upgrade\r\nUpgrade: {upgrade}\r\n")
    assert b"upgraded to tcp, nothing else" in said
    assert engine.heard == []
