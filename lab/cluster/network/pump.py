"""The byte pump: what one end sends is written to the other, and its end passed on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

CHUNK = 64 * 1024


class Sink(Protocol):
    """Where bytes go; ``close`` says that no more will come."""

    async def write(self, data: bytes) -> None: ...

    async def close(self) -> None: ...


class Connected:
    """A connection as a sink: its end is half a close, so that answers still arrive."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        if self._writer.can_write_eof():
            self._writer.write_eof()


async def chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """What arrives on a connection, until its end."""
    while data := await reader.read(CHUNK):
        yield data


async def pump(source: AsyncIterator[bytes], sink: Sink) -> None:
    """Pass on all that comes, then the end. ConnectionError when the sink is gone."""
    async for data in source:
        await sink.write(data)
    await sink.close()
