"""The guard as a program on a socket; what it allows is in test_policy.py."""

import socket
import threading
import time
from pathlib import Path

import pytest

from lab.inside.guard.proxy import serve

BODY = b"x" * 500_000


@pytest.fixture
def guarded(tmp_path: Path) -> Path:
    """The student's socket; no engine is behind it."""
    path = tmp_path / "docker.sock"
    threading.Thread(target=serve, args=(path, tmp_path / "engine.sock"), daemon=True).start()
    while not path.exists():
        time.sleep(0.01)
    return path


def test_a_refused_client_may_send_its_request_to_the_end(guarded: Path) -> None:
    head = f"POST /v1.45/swarm/init HTTP/1.1\r\nHost: docker\r\nContent-Length: {len(BODY)}\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(guarded))
        client.sendall(head.encode())
        answer = client.recv(65_536)
        client.sendall(BODY)
        while piece := client.recv(65_536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"Swarm" in answer
