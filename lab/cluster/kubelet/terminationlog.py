"""The termination message: what a container left in its file, or the end of its log."""

import contextlib
import io
import tarfile

from lab.cluster.kubelet.engine import Engine, EngineError
from lab.cluster.model.objects import Obj

LONGEST, LONGEST_LOG, LINES = 4096, 2048, "80"


async def read(engine: Engine, identity: str, container: Obj, *, failed: bool) -> str:
    """At most 4096 bytes; empty when there is none."""
    message = ""
    with contextlib.suppress(EngineError, tarfile.TarError, KeyError, StopIteration):
        archive = await engine.get_archive(
            identity, container.get("terminationMessagePath", "/dev/termination-log")
        )
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            entry = next(member for member in tar if member.isfile())
            content = tar.extractfile(entry)
            message = content.read(LONGEST).decode(errors="replace") if content else ""
    if (
        not message
        and failed
        and container.get("terminationMessagePolicy") == "FallbackToLogsOnError"
    ):
        log = bytearray()
        with contextlib.suppress(EngineError):
            tty = bool(container.get("tty"))
            async for chunk in engine.logs(
                identity, tty=tty, follow=False, options={"tail": LINES}
            ):
                log += chunk
        message = bytes(log[-LONGEST_LOG:]).decode(errors="replace")
    return message
