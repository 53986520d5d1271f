"""What is created on the machine's own engine (``--engine host``) gets the lab's label.

So ``down`` and ``reset`` can remove what the lab made and nothing else. A proxy on a Unix socket:
containers, networks, volumes and builds of the classic builder are labelled; BuildKit's builds
travel inside a stream of their own and keep only the labels that they name.

    python -m lab.inside.labelling --listen SOCKET --engine SOCKET --label NAME=VALUE
"""

import argparse
import asyncio
import json
import os
import re
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import h11

CREATES = re.compile(r"^(/v[\d.]+)?/(containers|networks|volumes)/create$")
BUILDS = re.compile(r"^(/v[\d.]+)?/build$")
HEAD_BYTES = 64 * 1024


def labelled_body(body: bytes, label: tuple[str, str]) -> bytes:
    """The JSON of a create request with one label more; what is none is the engine's to refuse.

    >>> labelled_body(b'{"Image": "busybox"}', ("course.lab", "x"))
    b'{"Image": "busybox", "Labels": {"course.lab": "x"}}'
    """
    try:
        wanted = json.loads(body or b"{}")
    except ValueError:
        return body
    if not isinstance(wanted, dict):
        return body
    wanted["Labels"] = {**(wanted.get("Labels") or {}), label[0]: label[1]}
    return json.dumps(wanted).encode()


def labelled_target(target: str, label: tuple[str, str]) -> str:
    """The URL of a build request with one label more.

    >>> labelled_target("/v1.41/build?t=me", ("course.lab", "x"))
    '/v1.41/build?t=me&labels=%7B%22course.lab%22%3A+%22x%22%7D'
    """
    parts = urlsplit(target)
    query = parse_qs(parts.query, keep_blank_values=True)
    labels = {**json.loads(query.get("labels", ["{}"])[0] or "{}"), label[0]: label[1]}
    query["labels"] = [json.dumps(labels)]
    return f"{parts.path}?{urlencode(query, doseq=True)}"


async def serve(listen: Path, engine: Path, label: tuple[str, str]) -> None:
    """Accept connections for ever; the mode of ``listen`` decides whose."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_unix_connection(engine)
            up_writer.write(await _request(reader, label))
            await asyncio.gather(_pipe(reader, up_writer), _pipe(up_reader, writer))
        except (
            OSError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
            h11.RemoteProtocolError,
            ValueError,
        ):
            pass  # a broken request or a client that left: its connection ends, the others go on
        finally:
            writer.close()

    listen.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(handle, listen, limit=HEAD_BYTES)
    async with server:
        await server.serve_forever()


async def _request(reader: asyncio.StreamReader, label: tuple[str, str]) -> bytes:
    """The first request of a connection, as it goes to the engine, which closes after it."""
    head = await reader.readuntil(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, version = line.split(" ")
    path = urlsplit(target).path
    names = {field.split(":", 1)[0].strip().lower() for field in fields}
    body = b""
    if method == "POST" and CREATES.match(path):
        body = labelled_body(await _body(reader, head), label)
        fields = [
            field
            for field in fields
            if field.split(":", 1)[0].strip().lower() not in {"content-length", "transfer-encoding"}
        ]
        fields.append(f"Content-Length: {len(body)}")
    elif method == "POST" and BUILDS.match(path):
        target = labelled_target(target, label)
    if "upgrade" not in names:
        fields = [field for field in fields if not field.lower().startswith("connection:")] + [
            "Connection: close"
        ]
    return "\r\n".join([f"{method} {target} {version}", *fields, "", ""]).encode("latin-1") + body


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    """The body of the request whose head has been read, however it is framed."""
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(head)
    parser.next_event()
    body = b""
    while not isinstance(event := parser.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            parser.receive_data(await reader.read(HEAD_BYTES))
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
    return body


async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Bytes one way until the source ends; then that direction is closed, the other goes on."""
    while chunk := await source.read(HEAD_BYTES):
        sink.write(chunk)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()


def main() -> None:
    """The command line of the module."""
    parser = argparse.ArgumentParser(description="A labelling proxy for a Docker engine.")
    parser.add_argument("--listen", type=Path, required=True)
    parser.add_argument("--engine", type=Path, required=True)
    parser.add_argument("--label", required=True)
    chosen = parser.parse_args()
    os.umask(0o007)  # the socket is for its group, as the engine's own is
    name, _, value = chosen.label.partition("=")
    asyncio.run(serve(chosen.listen, chosen.engine, (name, value)))


if __name__ == "__main__":
    main()
