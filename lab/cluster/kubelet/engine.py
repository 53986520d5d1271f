"""The Docker engine's HTTP API, as much of it as the kubelet uses: asynchronous, over the socket
that DOCKER_HOST names.

No client library is used here: the asynchronous one there is cannot end a process's input without
ending its output, which ``kubectl exec -i`` needs; and the API is plain HTTP and JSON.
"""

import asyncio
import contextlib
import json
import os
import struct
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast
from urllib.parse import quote, urlencode

import aiohttp
import h11

from lab.cluster.model.objects import Obj, parse_time

DEFAULT_HOST = "unix:///var/run/docker.sock"
NEWEST_API = (1, 45)
FRAME = struct.Struct(">BxxxI")
CHUNK = 64 * 1024


class EngineError(Exception):
    """The engine refused. ``status`` is HTTP's, 0 when it could not be asked at all."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Attached:
    """A process's input and output on a connection of their own."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, early: bytes, *, tty: bool
    ) -> None:
        self._reader, self._writer, self._early, self._tty = reader, writer, early, tty

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """Pieces of output with the descriptor they were written to (1 or 2), until it ends."""
        buffer = bytearray(self._early)
        while True:
            if self._tty and buffer:
                yield 1, bytes(buffer)
                buffer.clear()
            while not self._tty and len(buffer) >= FRAME.size:
                channel, size = FRAME.unpack(buffer[: FRAME.size])
                if len(buffer) < FRAME.size + size:
                    break
                yield channel, bytes(buffer[FRAME.size : FRAME.size + size])
                del buffer[: FRAME.size + size]
            try:
                chunk = await self._reader.read(CHUNK)
            except ConnectionError:
                return
            if not chunk:
                return
            buffer += chunk

    async def write(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    def end_input(self) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            self._writer.write_eof()

    def close(self) -> None:
        self._writer.close()


class Engine:
    """One engine. Use as an asynchronous context manager; EngineError for whatever it refuses."""

    def __init__(self, host: str | None = None) -> None:
        self.host = host or os.environ.get("DOCKER_HOST") or DEFAULT_HOST
        self._path = self.host.removeprefix("unix://") if self.host.startswith("unix://") else ""
        self._base = "http://docker" if self._path else self.host.replace("tcp://", "http://")
        self._prefix = ""
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> "Engine":
        connector = (
            aiohttp.UnixConnector(self._path, limit=0)
            if self._path
            else aiohttp.TCPConnector(limit=0)
        )
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=None, sock_connect=10)
        )
        try:
            version = await self.json("GET", "/version")
        except BaseException:
            await self._session.close()
            raise
        newest = tuple(int(part) for part in str(version["ApiVersion"]).split("."))
        self._prefix = "/v{}.{}".format(*min(newest, NEWEST_API))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._session.close()

    # ------------------------------------------------------------------ requests

    async def json(
        self,
        method: str,
        url_path: str,
        body: Any = None,
        *,
        data: bytes | None = None,
        **query: str,
    ) -> Any:
        """The engine's answer, decoded; None when it is empty."""
        url = f"{self._base}{self._prefix}{url_path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Content-Type": "application/x-tar"} if data is not None else {}
        try:
            async with self._session.request(
                method, url, json=body, data=data, headers=headers
            ) as response:
                raw = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise EngineError(
                0, f"the Docker engine at {self.host} does not answer: {error}"
            ) from error
        if response.status >= 400:
            raise EngineError(response.status, _message(raw))
        return (
            json.loads(raw)
            if raw and "json" in response.headers.get("Content-Type", "")
            else raw or None
        )

    async def lines(self, method: str, path: str, **query: str) -> AsyncIterator[Obj]:
        """A stream of JSON objects."""
        url = f"{self._base}{self._prefix}{path}?{urlencode(query)}"
        try:
            async with self._session.request(method, url) as response:
                if response.status >= 400:
                    raise EngineError(response.status, _message(await response.read()))
                async for line in response.content:
                    if line.strip():
                        yield json.loads(line)
        except (aiohttp.ClientError, OSError) as error:
            raise EngineError(
                0, f"the Docker engine at {self.host} does not answer: {error}"
            ) from error

    async def _hijack(self, path: str, body: bytes, *, tty: bool) -> Attached:
        """POST and take over the connection, as attach and exec do."""
        if self._path:
            reader, writer = await asyncio.open_unix_connection(self._path)
        else:
            host, _, port = self._base.removeprefix("http://").partition(":")
            reader, writer = await asyncio.open_connection(host, int(port or 2375))
        http = h11.Connection(h11.CLIENT)
        headers = [
            ("Host", "docker"),
            ("Connection", "Upgrade"),
            ("Upgrade", "tcp"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
        ]
        for event in (
            h11.Request(method="POST", target=self._prefix + path, headers=headers),
            h11.Data(body),
            h11.EndOfMessage(),
        ):
            writer.write(http.send(event) or b"")
        await writer.drain()
        while (answer := http.next_event()) is h11.NEED_DATA:
            http.receive_data(await reader.read(CHUNK))
        if isinstance(answer, h11.Response | h11.InformationalResponse) and answer.status_code in (
            101,
            200,
        ):
            return Attached(reader, writer, http.trailing_data[0], tty=tty)
        rest = http.trailing_data[0] + await reader.read(CHUNK)
        writer.close()
        raise EngineError(getattr(answer, "status_code", 0), _message(rest))

    # ---------------------------------------------------------------- containers

    async def create(self, name: str, config: Obj) -> str:
        return str((await self.json("POST", "/containers/create", config, name=name))["Id"])

    async def start(self, container: str) -> None:
        await self.json("POST", f"/containers/{container}/start")

    async def stop(self, container: str, seconds: int) -> None:
        """SIGTERM, and SIGKILL after that many seconds; nothing when it does not run."""
        with _ignoring(304, 404):
            await self.json("POST", f"/containers/{container}/stop", t=str(seconds))

    async def wait(self, container: str) -> int:
        """Until the container does not run; its exit code."""
        return int((await self.json("POST", f"/containers/{container}/wait"))["StatusCode"])

    async def kill(self, container: str) -> None:
        with _ignoring(404, 409):
            await self.json("POST", f"/containers/{container}/kill")

    async def remove(self, container: str) -> None:
        with _ignoring(404, 409):
            await self.json("DELETE", f"/containers/{container}", force="true", v="true")

    async def inspect(self, container: str) -> Obj:
        return cast(Obj, await self.json("GET", f"/containers/{container}/json"))

    async def containers(self, *labels: str) -> list[Obj]:
        """Summaries of the containers with all these labels, running or not."""
        filters = json.dumps({"label": list(labels)})
        return cast(
            list[Obj], await self.json("GET", "/containers/json", all="true", filters=filters)
        )

    async def put_archive(self, container: str, path: str, archive: bytes) -> None:
        await self.json("PUT", f"/containers/{container}/archive", data=archive, path=path)

    async def get_archive(self, container: str, path: str) -> bytes:
        return cast(
            bytes, await self.json("GET", f"/containers/{container}/archive", path=path) or b""
        )

    async def container_resize(self, container: str, width: int, height: int) -> None:
        await self.json("POST", f"/containers/{container}/resize", w=str(width), h=str(height))

    async def attach(self, container: str, *, tty: bool, stdin: bool) -> Attached:
        query = urlencode({"stream": 1, "stdout": 1, "stderr": 1, "stdin": int(stdin), "logs": 0})
        return await self._hijack(f"/containers/{container}/attach?{query}", b"", tty=tty)

    async def logs(
        self, container: str, *, tty: bool, follow: bool, options: dict[str, str]
    ) -> AsyncIterator[bytes]:
        """The log, both streams. Options: tail, timestamps, since_seconds or since_time."""
        query = {
            "stdout": "1",
            "stderr": "1",
            "follow": "1" if follow else "0",
            "timestamps": options.get("timestamps", "false"),
        }
        if "tail" in options:
            query["tail"] = options["tail"]
        if "since_seconds" in options:
            query["since"] = f"{time.time() - int(options['since_seconds']):.9f}"
        elif "since_time" in options:
            with contextlib.suppress(ValueError):
                query["since"] = str(int(parse_time(options["since_time"]).timestamp()))
        url = f"{self._base}{self._prefix}/containers/{container}/logs?{urlencode(query)}"
        try:
            async with self._session.get(url) as response:
                if response.status >= 400:
                    raise EngineError(response.status, _message(await response.read()))
                buffer = bytearray()
                async for chunk in response.content.iter_any():
                    if tty:
                        yield chunk
                        continue
                    buffer += chunk
                    while (
                        len(buffer) >= FRAME.size
                        and len(buffer) >= FRAME.size + FRAME.unpack(buffer[: FRAME.size])[1]
                    ):
                        end = FRAME.size + FRAME.unpack(buffer[: FRAME.size])[1]
                        yield bytes(buffer[FRAME.size : end])
                        del buffer[:end]
        except (aiohttp.ClientError, OSError) as error:
            raise EngineError(0, f"the log of {container[:12]} cannot be read: {error}") from error

    # ---------------------------------------------------------------------- exec

    async def exec_create(
        self, container: str, command: Sequence[str], *, tty: bool = False, stdin: bool = False
    ) -> str:
        config = {
            "AttachStdout": True,
            "AttachStderr": not tty,
            "AttachStdin": stdin,
            "Tty": tty,
            "Cmd": list(command),
        }
        return str((await self.json("POST", f"/containers/{container}/exec", config))["Id"])

    async def exec_start(self, process: str, *, tty: bool = False) -> Attached:
        return await self._hijack(
            f"/exec/{process}/start", json.dumps({"Detach": False, "Tty": tty}).encode(), tty=tty
        )

    async def exec_inspect(self, process: str) -> Obj:
        """Its state once it has ended, which the engine notes a moment after the output's end."""
        for _ in range(100):
            state = cast(Obj, await self.json("GET", f"/exec/{process}/json"))
            if not state.get("Running"):
                return state
            await asyncio.sleep(0.02)
        return state

    async def exec_resize(self, process: str, width: int, height: int) -> None:
        await self.json("POST", f"/exec/{process}/resize", w=str(width), h=str(height))

    async def exec_runs(self, process: str) -> bool:
        """Whether its command has begun, and may have ended."""
        state = cast(Obj, await self.json("GET", f"/exec/{process}/json"))
        return bool(state.get("Pid")) or state.get("ExitCode") is not None

    # ------------------------------------------------------------ images, volumes

    async def image(self, name: str) -> Obj | None:
        try:
            return cast(Obj, await self.json("GET", f"/images/{quote(name, safe='/:@')}/json"))
        except EngineError as error:
            if error.status == 404:
                return None
            raise

    async def pull(self, name: str, tag: str) -> None:
        async for message in self.lines("POST", "/images/create", fromImage=name, tag=tag):
            if "error" in message:
                raise EngineError(
                    404 if _is_missing(message["error"]) else 500, str(message["error"])
                )

    async def create_volume(
        self, name: str, labels: dict[str, str], options: dict[str, str] | None = None
    ) -> None:
        await self.json(
            "POST", "/volumes/create", {"Name": name, "Labels": labels, "DriverOpts": options or {}}
        )

    async def remove_volume(self, name: str) -> None:
        with _ignoring(404, 409):
            await self.json("DELETE", f"/volumes/{name}", force="true")

    async def volumes(self, *labels: str) -> list[Obj]:
        return list(
            (await self.json("GET", "/volumes", filters=json.dumps({"label": list(labels)})))[
                "Volumes"
            ]
            or []
        )

    async def events(self, *labels: str) -> AsyncIterator[Obj]:
        """What happens to containers with all these labels."""
        filters = json.dumps(
            {"type": ["container"], "label": list(labels), "event": ["start", "die", "destroy"]}
        )
        async for event in self.lines("GET", "/events", filters=filters):
            yield event


def _is_missing(text: str) -> bool:
    return any(
        word in text for word in ("not found", "manifest unknown", "does not exist", "no such")
    )


def _message(raw: bytes) -> str:
    with contextlib.suppress(ValueError, AttributeError):
        return str(json.loads(raw).get("message"))
    return raw.decode(errors="replace").strip()


@contextlib.contextmanager
def _ignoring(*statuses: int) -> Any:
    try:
        yield
    except EngineError as error:
        if error.status not in statuses:
            raise
