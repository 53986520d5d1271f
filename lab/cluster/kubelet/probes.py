"""One look into a container: a probe's question, or a lifecycle hook."""

import asyncio
import contextlib
from typing import Any

import aiohttp

from lab.cluster.kubelet import commands
from lab.cluster.kubelet.engine import Engine, EngineError
from lab.cluster.model.objects import Obj, at

AGENT = "kube-probe/1.36"


class ProbeError(Exception):
    """Why a probe failed, as its event says it."""


def port_of(container: Obj, port: int | str) -> int:
    """A port by number or by its name. ProbeError when there is none of that name."""
    if isinstance(port, int) or str(port).isdigit():
        return int(port)
    for named in container.get("ports") or []:
        if named.get("name") == port:
            return int(named["containerPort"])
    raise ProbeError(f'invalid port: "{port}"')


async def check(engine: Engine, identity: str, container: Obj, probe: Obj, address: str) -> None:
    """Ask once. ProbeError when the answer is no."""
    seconds = float(probe.get("timeoutSeconds", 1))
    if probe.get("exec"):
        await _exec(engine, identity, probe["exec"]["command"], seconds)
    elif probe.get("httpGet"):
        await http_get(container, probe["httpGet"], address, seconds)
    elif probe.get("tcpSocket"):
        await _tcp(container, probe["tcpSocket"], address, seconds)
    else:
        raise ProbeError("probes of this kind are not supported by this cluster")


async def _exec(engine: Engine, identity: str, command: list[str], seconds: float) -> None:
    try:
        code, out = await commands.run(engine, identity, command, seconds)
    except TimeoutError as error:
        raise ProbeError(
            f'command timed out: "{" ".join(command)}" timed out after {seconds:g}s'
        ) from error
    except EngineError as error:
        raise ProbeError(str(error)) from error
    if code:
        raise ProbeError(out.decode(errors="replace")[:10240])


async def http_get(container: Obj, action: Obj, address: str, seconds: float) -> None:
    """GET; anything from 200 to 399 is well."""
    host = action.get("host") or address
    port = port_of(container, action["port"])
    url = f"{action.get('scheme', 'HTTP').lower()}://{host}:{port}{action.get('path', '/')}"
    headers = {"User-Agent": AGENT, "Accept": "*/*"} | {
        h["name"]: h["value"] for h in action.get("httpHeaders") or []
    }
    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, headers=headers, ssl=False, allow_redirects=True) as answer,
        ):
            if not 200 <= answer.status < 400:
                raise ProbeError(f"HTTP probe failed with statuscode: {answer.status}")
    except TimeoutError as error:
        raise ProbeError(
            f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting'
            " headers)"
        ) from error
    except (aiohttp.ClientError, OSError) as error:
        raise ProbeError(f'Get "{url}": {_dial(host, port, error)}') from error


async def _tcp(container: Obj, action: Obj, address: str, seconds: float) -> None:
    host, port = action.get("host") or address, port_of(container, action["port"])
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError as error:
        raise ProbeError(f"dial tcp {host}:{port}: i/o timeout") from error
    except OSError as error:
        raise ProbeError(_dial(host, port, error)) from error
    writer.close()


def _dial(host: str, port: int, error: BaseException) -> str:
    cause: Any = getattr(error, "os_error", error)
    if isinstance(cause, ConnectionRefusedError) or "Connect call failed" in str(cause):
        return f"dial tcp {host}:{port}: connect: connection refused"
    return str(cause) or type(cause).__name__


async def run_hook(
    engine: Engine, identity: str, container: Obj, hook: Obj, address: str, seconds: float
) -> None:
    """A lifecycle hook. ProbeError when it fails."""
    if hook.get("sleep"):
        await asyncio.sleep(min(float(at(hook, "sleep", "seconds", default=0)), seconds))
    elif hook.get("exec"):
        await _exec(engine, identity, hook["exec"]["command"], seconds)
    elif hook.get("httpGet"):
        with contextlib.suppress(TimeoutError):
            await http_get(container, hook["httpGet"], address, seconds)
