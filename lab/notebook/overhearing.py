"""Listen in on what clients and the engine say to each other while commands run."""

import asyncio
import os
import re
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from lab.notebook.errors import LessonError

_ENGINE = "unix:///var/run/docker.sock"
_CHUNK_BYTES = 64 * 1024
_REQUEST = re.compile(rb"([A-Z]+) (?:/v[\d.]+)?(/\S*) HTTP/1\.1\r\n")
_ANSWER = re.compile(rb"HTTP/1\.1 (\d{3}[^\r\n]*)\r\n")
_UPGRADED = "101"  # from then on, what passes is no HTTP
_ID = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


@dataclass
class Exchange:
    """A request (`POST /containers/create`) and its answer (`201 Created`), empty until it comes.

    The version of the API is left out, and ids are short.
    """

    request: str
    answer: str = ""


class Overheard(list[Exchange]):
    """Requests in the order in which they were made; a cell shows each with its answer."""

    def __repr__(self) -> str:
        return "\n".join(f"{each.request}\n    answer: {each.answer or '(none)'}" for each in self)


@contextmanager
def overhear() -> Iterator[Overheard]:
    """Record every request that `docker` commands in the `with` block make of their engine.

    `DOCKER_HOST` leads them to a second socket, from which all is handed on to the engine's, and
    back. A client that is still connected at the end of the block is cut off. Raises LessonError if
    the engine is not at a socket.

    >>> with overhear() as overheard:
    ...     %shell docker run --rm hello-world
    >>> overheard
    HEAD /_ping
        answer: 200 OK
    POST /containers/create
        answer: 201 Created
    ...
    """
    before = os.environ.get("DOCKER_HOST")
    kind, _, engine = (before or _ENGINE).partition("://")
    if kind != "unix":
        raise LessonError(
            f"DOCKER_HOST is {before}, and only a socket can be listened in on.\nTry:"
            " %env DOCKER_HOST=unix:///var/run/docker.sock"
        )
    overheard = Overheard()
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/docker.sock"
        with _relay(path, engine, overheard):
            os.environ["DOCKER_HOST"] = f"unix://{path}"
            try:
                yield overheard
            finally:
                del os.environ["DOCKER_HOST"]
                if before is not None:
                    os.environ["DOCKER_HOST"] = before


@contextmanager
def _relay(path: str, engine: str, overheard: Overheard) -> Iterator[None]:
    """A socket at `path` that is as good as the engine's, in a thread with a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    try:
        server = run(asyncio.start_unix_server(partial(_serve, engine, overheard), path))
        try:
            yield
        finally:
            run(_close(server))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _close(server: asyncio.Server) -> None:
    server.close()
    connections = asyncio.all_tasks() - {asyncio.current_task()}
    for connection in connections:
        connection.cancel()
    await asyncio.gather(*connections, return_exceptions=True)


async def _serve(
    engine: str, overheard: Overheard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """One connection of a client, until both sides have said all."""
    try:
        from_engine, to_engine = await asyncio.open_unix_connection(engine)
        talk = _Talk(overheard)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_hand_on(reader, to_engine, talk.client_says))
                both.create_task(_hand_on(from_engine, writer, talk.engine_says))
        finally:
            to_engine.close()
    except* OSError:
        pass  # one side left in the middle: the other finds its connection closed
    finally:
        writer.close()


async def _hand_on(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, says: Callable[[bytes], None]
) -> None:
    """Bytes one way until the source ends, each heard before it is handed on."""
    while chunk := await source.read(_CHUNK_BYTES):
        says(chunk)
        sink.write(chunk)
        await sink.drain()
    sink.write_eof()


class _Talk:
    """What is said on one connection.

    HTTP takes turns: a request is the first that a client says, or the first after an answer.
    """

    def __init__(self, overheard: Overheard) -> None:
        self._overheard = overheard
        self._exchange: Exchange | None = None
        self._begun = b""  # the first line of a request or an answer, as far as it has come

    def client_says(self, data: bytes) -> None:
        last = self._exchange
        if last and (not last.answer or last.answer.startswith(_UPGRADED)):
            return
        if found := self._first_line(_REQUEST, data):
            request = b" ".join(found.groups()).decode(errors="replace")
            self._exchange = Exchange(_ID.sub(r"\1", request))
            self._overheard.append(self._exchange)

    def engine_says(self, data: bytes) -> None:
        if self._exchange and not self._exchange.answer:
            found = self._first_line(_ANSWER, data)
            self._exchange.answer = found[1].decode(errors="replace") if found else ""

    def _first_line(self, pattern: re.Pattern[bytes], data: bytes) -> re.Match[bytes] | None:
        self._begun += data
        if b"\n" not in self._begun and len(self._begun) < _CHUNK_BYTES:
            return None
        line, self._begun = self._begun, b""
        return pattern.match(line)
