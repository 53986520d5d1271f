"""The API server's connections: somebody who opens many and says nothing shuts nobody out."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import aiohttp
from aiohttp import web

from lab.cluster.apiserver import pki
from lab.cluster.apiserver.connections import Connections

MOST = 10
ADMINISTRATOR = {"Who": "administrator"}


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[int]:
    """A server for everybody, with room for ten; its port."""
    context = pki.server_context(pki.load(None), folder)

    async def answer(request: web.Request) -> web.Response:
        connections.asked(request.protocol, administrator="Who" in request.headers)
        return web.Response(text="answered")

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, keepalive_timeout=3600)
    await runner.setup()
    assert runner.server
    connections = Connections(runner.server, context, MOST)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    connections.listen(listener)
    try:
        yield int(port)
    finally:
        await connections.close()
        await runner.cleanup()


def client() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False))


async def ask(session: aiohttp.ClientSession, port: int, **headers: str) -> str:
    timeout = aiohttp.ClientTimeout(total=20)
    url = f"https://127.0.0.1:{port}/"
    async with session.get(url, headers=headers, timeout=timeout) as answer:
        return await answer.text()


async def flood(stack: AsyncExitStack, port: int, *, tls: bool) -> list[asyncio.StreamReader]:
    context = ssl._create_unverified_context() if tls else None
    readers = []
    for _ in range(4 * MOST):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        stack.enter_context(closing(writer))
        readers.append(reader)
    return readers


async def ended(readers: list[asyncio.StreamReader]) -> int:
    """How many connections the server has closed."""
    for _ in range(400):
        if sum(reader.at_eof() for reader in readers) >= len(readers) - MOST:
            break
        await asyncio.sleep(0.02)
    return sum(reader.at_eof() for reader in readers)


def test_idle_connections_give_way(tmp_path: Path) -> None:
    async def trial() -> None:
        for tls in (False, True):
            async with serving(tmp_path) as port, client() as session, AsyncExitStack() as stack:
                readers = await flood(stack, port, tls=tls)
                assert await ask(session, port) == "answered"
                assert await ended(readers) >= len(readers) - MOST

    asyncio.run(trial())


def test_the_administrators_connection_stays(tmp_path: Path) -> None:
    async def trial() -> None:
        async with serving(tmp_path) as port, AsyncExitStack() as stack:
            mine = await stack.enter_async_context(client())
            assert await ask(mine, port, **ADMINISTRATOR) == "answered"
            assert mine.connector
            pool = getattr(mine.connector, "_conns")  # noqa: B009
            (kept,) = (one for waiting in pool.values() for one, _ in waiting)
            others = await stack.enter_async_context(client())
            assert await ask(others, port) == "answered"
            readers = await flood(stack, port, tls=False)
            await ended(readers)
            assert kept.is_connected(), "others' connections are closed before it"
            assert await ask(mine, port, **ADMINISTRATOR) == "answered"

    asyncio.run(trial())


def test_a_connection_that_is_used_stays_before_idle_ones(tmp_path: Path) -> None:
    async def trial() -> None:
        async with serving(tmp_path) as port, client() as session, AsyncExitStack() as stack:
            for _ in range(2 * MOST):
                assert await ask(session, port) == "answered"
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                stack.enter_context(closing(writer))
            assert session.connector
            assert sum(map(len, getattr(session.connector, "_conns").values())) == 1  # noqa: B009

    asyncio.run(trial())
