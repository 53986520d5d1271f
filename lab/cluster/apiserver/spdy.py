"""SPDY/3.1, as much of it as ``kubectl port-forward`` speaks: streams with headers, data, and their
end, over one connection.

There is no library for it any more: browsers dropped SPDY in 2016, Kubernetes has not. Frames:
draft-mbelshe-httpbis-spdy-00.
"""

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

# Kinds of control frames that are read or written here.
SYN_STREAM, SYN_REPLY, RST_STREAM, PING, WINDOW_UPDATE = 1, 2, 3, 6, 9
FIN = 1
VERSION = 3
LARGEST = 1 << 20  # of a frame that is taken
CHUNK = 32 * 1024


def _word(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


# The dictionary that both ends of a SPDY connection compress headers with.
DICTIONARY = (
    b"".join(
        map(
            _word,
            b"options head post put delete trace accept accept-charset accept-encoding"
            b" accept-language accept-ranges age allow authorization cache-control connection"
            b" content-base content-encoding content-language content-length content-location"
            b" content-md5 content-range content-type date etag expect expires from host if-match"
            b" if-modified-since if-none-match if-range if-unmodified-since last-modified location"
            b" max-forwards pragma proxy-authenticate proxy-authorization range referer retry-after"
            b" server te trailer transfer-encoding upgrade user-agent vary via warning"
            b" www-authenticate method get status".split(),
        )
    )
    + _word(b"200 OK")
    + _word(b"version")
    + _word(b"HTTP/1.1")
    + _word(b"url")
    + _word(b"public")
    + _word(b"set-cookie")
    + _word(b"keep-alive")
    + _word(b"origin")
    + b"100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    b"203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401"
    b" Unauthorized403 Forbidden404 Not Found"
    b"500 Internal Server Error501 Not Implemented503 Service Unavailable"
    b"Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat,"
    b" Sun, GMT"
    b"chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,public"
    b"privatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


class ProtocolError(Exception):
    """The other end does not speak SPDY as we know it."""


@dataclass
class Stream:
    """One stream: its headers, what arrives on it (None at its end), and a way to answer.

    As a sink of ``pump`` it takes what goes to the client.
    """

    id: int
    headers: dict[str, str]
    connection: "Connection"
    incoming: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)

    async def chunks(self) -> AsyncIterator[bytes]:
        """What the client sends, until its end."""
        while (chunk := await self.incoming.get()) is not None:
            yield chunk

    async def write(self, data: bytes) -> None:
        for start in range(0, len(data), CHUNK):
            await self.connection.send_data(self.id, data[start : start + CHUNK])

    async def close(self) -> None:
        """No more will be written."""
        await self.connection.send_data(self.id, b"", fin=True)


class Connection:
    """The server's end; ``send`` takes bytes for the client, ``opened`` gets each new stream."""

    def __init__(
        self, send: Callable[[bytes], Awaitable[None]], opened: Callable[[Stream], None]
    ) -> None:
        self._send, self._opened = send, opened
        self._streams: dict[int, Stream] = {}
        self._buffer = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    async def receive(self, data: bytes) -> None:
        """Take bytes from the client. ProtocolError when they are no frames."""
        self._buffer += data
        while len(self._buffer) >= 8:
            head, flags_length = struct.unpack(">II", self._buffer[:8])
            flags, length = flags_length >> 24, flags_length & 0xFFFFFF
            if length > LARGEST:
                raise ProtocolError(f"a frame of {length} bytes")
            if len(self._buffer) < 8 + length:
                return
            payload = bytes(self._buffer[8 : 8 + length])
            del self._buffer[: 8 + length]
            if head >> 31:
                await self._control(head & 0xFFFF, flags, payload)
            else:
                await self._data(head, flags, payload)

    def end(self) -> None:
        """The connection is over: so are its streams."""
        for stream in self._streams.values():
            stream.incoming.put_nowait(None)

    async def send_data(self, stream: int, data: bytes, *, fin: bool = False) -> None:
        await self._send(struct.pack(">II", stream, (FIN if fin else 0) << 24 | len(data)) + data)

    async def _data(self, stream_id: int, flags: int, payload: bytes) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        if payload:
            stream.incoming.put_nowait(payload)
            for target in (stream_id, 0):
                await self._frame(WINDOW_UPDATE, 0, struct.pack(">II", target, len(payload)))
        if flags & FIN:
            stream.incoming.put_nowait(None)

    async def _control(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == SYN_STREAM:
            await self._open(flags, payload)
        elif kind == RST_STREAM and len(payload) >= 4:
            stream = self._streams.pop(struct.unpack(">I", payload[:4])[0], None)
            if stream:
                stream.incoming.put_nowait(None)
        elif kind == PING:
            await self._frame(PING, 0, payload)

    async def _open(self, flags: int, payload: bytes) -> None:
        if len(payload) < 10:
            raise ProtocolError("a SYN_STREAM that is cut off")
        number = struct.unpack(">I", payload[:4])[0] & 0x7FFFFFFF
        stream = Stream(number, self._read_headers(payload[10:]), self)
        self._streams[number] = stream
        await self._frame(SYN_REPLY, 0, struct.pack(">I", number) + self._write_headers({}))
        if flags & FIN:
            stream.incoming.put_nowait(None)
        self._opened(stream)

    async def _frame(self, kind: int, flags: int, payload: bytes) -> None:
        await self._send(
            struct.pack(">HHI", 0x8000 | VERSION, kind, flags << 24 | len(payload)) + payload
        )

    def _read_headers(self, block: bytes) -> dict[str, str]:
        try:
            plain = self._inflate.decompress(block, LARGEST)
            (count,), at, headers = struct.unpack(">I", plain[:4]), 4, {}
            for _ in range(count):
                words = []
                for _ in range(2):
                    (size,) = struct.unpack(">I", plain[at : at + 4])
                    words.append(plain[at + 4 : at + 4 + size].decode())
                    at += 4 + size
                headers[words[0].lower()] = words[1]
        except (zlib.error, struct.error, UnicodeDecodeError) as error:
            raise ProtocolError(f"headers that cannot be read: {error}") from error
        return headers

    def _write_headers(self, headers: dict[str, str]) -> bytes:
        plain = struct.pack(">I", len(headers)) + b"".join(
            _word(k.encode()) + _word(v.encode()) for k, v in headers.items()
        )
        return self._deflate.compress(plain) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
