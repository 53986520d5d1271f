"""Commands that the kubelet runs in containers, with an engine that starts them late."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lab.cluster.kubelet import commands
from lab.cluster.kubelet.engine import Engine

HEAD = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
pytestmark = pytest.mark.timeout(60)


@asynccontextmanager
async def engine(socket: Path, *, starts_after: float, runs_for: float) -> AsyncIterator[Engine]:
    """An engine that needs so long to start a command, which then runs for so long."""
    asked: list[float] = []

    def state() -> dict[str, object]:
        since = asyncio.get_running_loop().time() - asked[0]
        ended = since > starts_after + runs_for
        return {
            "Running": not ended,
            "Pid": 42 if since > starts_after else 0,
            "ExitCode": 0 if ended else None,
        }

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            if b"/start " in head:
                asked.append(asyncio.get_running_loop().time())
                writer.write(HEAD)
                await asyncio.sleep(starts_after + runs_for)
                writer.write(struct.pack(">BxxxI", 1, 5) + b"done\n")
                break
            found = {"/version": {"ApiVersion": "1.41"}, "/exec ": {"Id": "e"}}
            body = next((one for path, one in found.items() if path.encode() in head), None)
            text = json.dumps(body or state()).encode()
            length = f"Content-Length: {len(text)}\r\n\r\n".encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + length + text)
        writer.close()

    async def quietly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_unix_server(quietly, str(socket))
    try:
        async with Engine(f"unix://{socket}") as connected:
            yield connected
    finally:
        server.close()


async def run(socket: Path, seconds: float, starts_after: float, runs_for: float) -> bytes:
    async with engine(socket, starts_after=starts_after, runs_for=runs_for) as connected:
        return (await commands.run(connected, "c", ["true"], seconds))[1]


def test_time_counts_from_when_the_command_runs(tmp_path: Path) -> None:
    assert asyncio.run(run(tmp_path / "e", 1.0, starts_after=2.5, runs_for=0.2)) == b"done\n"


def test_command_that_runs_too_long_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        asyncio.run(run(tmp_path / "e", 1.0, starts_after=0.2, runs_for=20))


def test_command_that_the_engine_never_starts_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "START_SECONDS", 1.0)
    with pytest.raises(TimeoutError):
        asyncio.run(run(tmp_path / "e", 0.2, starts_after=20, runs_for=0))
