"""A command that the kubelet runs in a container, to its end."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from lab.cluster.kubelet.engine import Engine, EngineError

START_SECONDS = 30.0  # the engine's, to start a command
LOOK_SECONDS = 0.25


async def run(
    engine: Engine, container: str, command: Sequence[str], seconds: float
) -> tuple[int, bytes]:
    """Exit code and output. TimeoutError when it takes longer, which counts from when the command
    runs: a slow machine needs its time to start one, and a probe is not to pay for that.
    """
    process = await engine.exec_create(container, command)
    attached = await engine.exec_start(process)
    out = bytearray()
    starting = None
    try:
        async with asyncio.timeout(START_SECONDS + seconds) as limit:
            starting = asyncio.ensure_future(_count_from_start(engine, process, limit, seconds))
            async for _, data in attached.output():
                out += data
    finally:
        if starting:
            starting.cancel()
        attached.close()
    return int((await engine.exec_inspect(process)).get("ExitCode") or 0), bytes(out)


async def _count_from_start(
    engine: Engine, process: str, limit: asyncio.Timeout, seconds: float
) -> None:
    """Let the limit end so many seconds after the command began. A quick one costs no look."""
    with suppress(EngineError):
        await asyncio.sleep(LOOK_SECONDS)
        while not await engine.exec_runs(process):
            await asyncio.sleep(LOOK_SECONDS)
        if not limit.expired():
            limit.reschedule(asyncio.get_running_loop().time() + seconds)
