"""The API server's connections, which have a limit: where one more comes, the one goes that has
been idle for longest.

Without it, somebody who opens thousands of connections and says nothing takes the memory and the
file descriptors that everybody else's requests need.
"""

import asyncio
import contextlib
import socket
import ssl
from asyncio import BaseProtocol
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

MOST = 256
HANDSHAKE_SECONDS = 20.0
PAUSE_SECONDS = 0.1  # where there is no file descriptor left for one more


class Connections:
    """Accepts connections for a server. Those of the administrator do not count, and stay."""

    def __init__(self, server: web.Server, context: ssl.SSLContext, most: int = MOST) -> None:
        self._server, self._context, self._most = server, context, most
        self._open: dict[BaseProtocol, socket.socket] = {}  # the one idle for longest is the first
        self._tasks: set[asyncio.Task[None]] = set()

    def listen(self, listener: socket.socket) -> None:
        """Serve a bound socket until ``close``."""
        listener.listen(self._most)
        listener.setblocking(False)
        self._spawn(self._accept(listener))

    async def close(self) -> None:
        """Accept no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def asked(self, protocol: BaseProtocol | None, *, administrator: bool) -> None:
        """Note that a connection carries a request, and whose."""
        opened = self._open.pop(protocol, None) if protocol else None
        if protocol and opened and not administrator:
            self._open[protocol] = opened

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: socket.socket) -> None:
        with listener:
            while True:
                try:
                    connected, _ = await asyncio.get_running_loop().sock_accept(listener)
                except OSError:
                    await asyncio.sleep(PAUSE_SECONDS)
                    continue
                self._make_room()
                self._spawn(self._serve(connected))

    def _make_room(self) -> None:
        for protocol, opened in list(self._open.items()):
            if opened.fileno() < 0:
                del self._open[protocol]
        while len(self._open) >= self._most:
            opened = self._open.pop(next(iter(self._open)))
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)

    async def _serve(self, connected: socket.socket) -> None:
        protocol = self._server()
        self._open[protocol] = connected
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol,
                connected,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
            )
        except (OSError, TimeoutError):  # it left, or speaks no TLS
            self._open.pop(protocol, None)
            connected.close()
