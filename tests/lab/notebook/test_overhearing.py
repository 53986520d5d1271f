"""Listening in on the client and the engine: what is heard, and that nothing else changes."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.notebook import overhear
from lab.notebook.errors import LessonError

from .conftest import RunCell

REFUSED = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"
CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n"


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of an engine that says what the test says."""
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "engine.sock"))
        door.listen()
        door.settimeout(10)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
        yield door


def client() -> socket.socket:
    connected = socket.socket(socket.AF_UNIX)
    connected.settimeout(10)
    connected.connect(os.environ["DOCKER_HOST"].removeprefix("unix://"))
    return connected


def test_requests_of_one_connection_and_their_answers(door: socket.socket) -> None:
    create = b"POST /v1.45/containers/create HTTP/1.1\r\nContent-Length: 2\r\n\r\n"
    attach = b"POST /v1.45/containers/" + b"0123456789ab" + b"c" * 52 + b"/attach HTTP/1.1\r\n\r\n"
    with overhear() as overheard, client() as asks:
        engine, _ = door.accept()
        with engine:
            for part in (create[:20], create[20:], b"{}"):
                asks.sendall(part)
                assert engine.recv(1000) == part
            engine.sendall(REFUSED[:10])
            assert asks.recv(1000) == REFUSED[:10]
            engine.sendall(REFUSED[10:])
            assert asks.recv(1000) == REFUSED[10:]
            for request, answer in ((create + b"{}", CREATED), (attach, UPGRADED)):
                asks.sendall(request)
                assert engine.recv(1000) == request
                engine.sendall(answer)
                assert asks.recv(1000) == answer
            # what is typed into a container is no request, whatever it looks like
            asks.sendall(create)
            assert engine.recv(1000) == create
    assert repr(overheard).splitlines() == [
        "POST /containers/create",
        "    answer: 404 Not Found",
        "POST /containers/create",
        "    answer: 201 Created",
        "POST /containers/0123456789ab/attach",
        "    answer: 101 UPGRADED",
    ]


def test_every_method_is_heard_and_a_client_that_is_left_is_cut_off(door: socket.socket) -> None:
    with overhear() as overheard:
        asks = client()
        asks.sendall(b"DELETE /images/busybox HTTP/1.1\r\n\r\n")
        engine, _ = door.accept()
        assert engine.recv(1000)
    with asks, engine:
        assert asks.recv(1000) == b""
        assert engine.recv(1000) == b""
    assert repr(overheard) == "DELETE /images/busybox\n    answer: (none)"


def test_afterwards_all_is_as_it_was(door: socket.socket) -> None:
    before, threads = os.environ["DOCKER_HOST"], threading.active_count()
    recording = overhear()
    recording.__enter__()
    second = os.environ["DOCKER_HOST"]
    assert second != before
    # an error of the block
    assert not recording.__exit__(KeyError, KeyError(), None)
    assert os.environ["DOCKER_HOST"] == before
    assert threading.active_count() == threads
    assert not Path(second.removeprefix("unix://")).parent.exists()


def test_an_engine_that_is_not_at_a_socket_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    with pytest.raises(LessonError, match=r"tcp://127\.0\.0\.1:9"), overhear():
        pass


@pytest.mark.engine
def test_all_requests_of_a_run_are_heard_every_time(cell: RunCell) -> None:
    for _ in range(5):
        with overhear() as overheard:
            ran = cell("%%shell\ndocker run --rm busybox echo hello\ndocker image ls -q busybox")
        assert (ran.error, ran.output.startswith("hello\n")) == (None, True)
        heard = [(each.request.partition("?")[0].split("/"), each.answer) for each in overheard]
        assert [(asked[0].strip(), asked[-1], answer) for asked, answer in heard] == [
            ("HEAD", "_ping", "200 OK"),
            ("POST", "create", "201 Created"),
            ("POST", "attach", "101 UPGRADED"),
            ("POST", "wait", "200 OK"),
            ("POST", "start", "204 No Content"),
            ("HEAD", "_ping", "200 OK"),
            ("GET", "json", "200 OK"),
        ]
