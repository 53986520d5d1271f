"""Output of a quick command, which the engine may send in one piece with the head of its answer."""

import socket
import struct
import threading
from pathlib import Path

import docker
import pytest

from grader.checks.execution import _collect

HEAD = (
    b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection:"
    b" Upgrade\r\nUpgrade: tcp\r\n\r\n"
)


def frame(stream: int, text: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(text)) + text


@pytest.mark.timeout(30)
def test_output_that_comes_with_the_head_of_the_answer_is_kept(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "engine"))
    listener.listen()

    def engine() -> None:
        connected, _ = listener.accept()
        connected.recv(65536)
        connected.sendall(HEAD + frame(1, b"6.12\n") + frame(2, b"a warning"))
        connected.close()

    threading.Thread(target=engine, daemon=True).start()
    client = docker.APIClient(base_url=f"unix://{tmp_path}/engine", version="1.45")
    assert _collect(client.exec_start("an-exec", socket=True), 10) == ("6.12\n", "a warning", True)
