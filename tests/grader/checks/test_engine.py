"""When the engine is gone, the problem is ours and says so."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader import CheckFailed, EnvironmentProblem, container, image
from grader.checks.engine import _connected, asking


@pytest.fixture(autouse=True)
def _fresh_connection() -> Iterator[None]:
    _connected.cache_clear()
    yield
    _connected.cache_clear()


def test_engine_out_of_reach_is_an_environment_problem(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(EnvironmentProblem) as raised:
        container("web").must_be_running()
    assert "does not answer" in str(raised.value)
    assert "costs no points" in str(raised.value)


VERSION = b'{"ApiVersion":"1.45","MinAPIVersion":"1.24","Version":"26.1.5"}'


def reply(status: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length:"
        f" {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


WEB = reply("200 OK", b'{"Id": "1", "Name": "/web", "State": {"Status": "running"}}')


class FakeEngine:
    """A server on a unix socket: answers /version, then each request with the next of its replies,
    then hangs up.
    """

    def __init__(self, path: Path, replies: list[bytes]) -> None:
        self.path, self.replies = path, replies
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                request = connection.recv(65536)
                if request.startswith(b"GET /version"):
                    connection.sendall(reply("200 OK", VERSION))
                elif self.replies:
                    connection.sendall(self.replies.pop(0))


@pytest.mark.parametrize(
    "answer",
    [b"", b"not http\r\n\r\n", reply("500 Internal Server Error", b'{"message":"disk on fire"}')],
    ids=["hangs up", "talks nonsense", "reports its own fault"],
)
def test_engine_that_fails_in_the_middle_is_an_environment_problem(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: bytes
) -> None:
    fake = FakeEngine(tmp_path / "docker.sock", [answer])
    monkeypatch.setenv("DOCKER_HOST", f"unix://{fake.path}")
    with pytest.raises(EnvironmentProblem):
        image("nginx").must_exist()


def test_processes_that_the_engine_cannot_list_are_not_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = FakeEngine(
        tmp_path / "docker.sock",
        [WEB, reply("500 Internal Server Error", b'{"message":"no cgroups"}')],
    )
    monkeypatch.setenv("DOCKER_HOST", f"unix://{fake.path}")
    with pytest.raises(EnvironmentProblem, match="no cgroups"):
        print(container("web").processes)


def test_failing_request_to_a_living_engine_is_the_students(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failing = reply("500 Internal Server Error", b'{"message":"too many links"}')
    fake = FakeEngine(tmp_path / "docker.sock", [WEB, failing, reply("200 OK", b"OK"), WEB])
    monkeypatch.setenv("DOCKER_HOST", f"unix://{fake.path}")
    with pytest.raises(CheckFailed, match="path that cannot be read"):
        container("web").must_have_file("/loop")


def test_failing_request_to_a_dying_engine_is_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = FakeEngine(
        tmp_path / "docker.sock",
        [WEB, reply("500 Internal Server Error", b'{"message":"dying"}'), b""],
    )
    monkeypatch.setenv("DOCKER_HOST", f"unix://{fake.path}")
    with pytest.raises(EnvironmentProblem):
        container("web").must_have_file("/loop")


def test_engine_that_answers_is_never_blamed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = reply("404 Not Found", b'{"message":"No such container: web"}')
    fake = FakeEngine(tmp_path / "docker.sock", [gone, reply("200 OK", b"[]")])
    monkeypatch.setenv("DOCKER_HOST", f"unix://{fake.path}")
    with pytest.raises(CheckFailed, match="There are no containers"):
        container("web").must_be_running()


def test_connection_lost_while_asking_is_an_environment_problem() -> None:
    with pytest.raises(EnvironmentProblem, match="does not answer"), asking():
        raise ConnectionResetError
