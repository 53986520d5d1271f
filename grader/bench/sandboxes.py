"""What one sandbox costs: seconds until it is ready, memory and disk while it waits."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import docker

from grader.sandbox.containers import SandboxImage
from grader.sandbox.docker import ROLES, DockerSandbox
from grader.sandbox.interface import SandboxLimits
from grader.sandbox.pool import Sandboxes

MIB = 2**20
# about the shortest that grading a submission takes: as long has the pool to make the next one
PAUSE_SECONDS = 1.0

Tell = Callable[[int, int], None]


def seconds_until_ready(
    client: docker.DockerClient, place: SandboxImage, count: int, tell: Tell, *, nodes: int = 0
) -> list[float]:
    """Seconds from nothing to a sandbox that answers, one after the other."""
    taken = []
    for number in range(count):
        tell(number, count)
        start = time.perf_counter()
        with DockerSandbox(client, place, SandboxLimits(), nodes=nodes):
            taken.append(time.perf_counter() - start)
    return taken


def seconds_waited(
    client: docker.DockerClient, place: SandboxImage, count: int, tell: Tell
) -> list[float]:
    """Seconds that a submission waits while the pool makes the next sandbox ahead."""
    waited = []
    with Sandboxes(
        lambda: DockerSandbox(client, place, SandboxLimits()), ahead=1, needed=count
    ) as sandboxes:
        for number in range(count):
            tell(number, count)
            start = time.perf_counter()
            with sandboxes.sandbox():
                waited.append(time.perf_counter() - start)
                time.sleep(PAUSE_SECONDS)
    return waited


def size(
    client: docker.DockerClient, place: SandboxImage, count: int, *, nodes: int = 0
) -> list[dict[str, float]]:
    """Of each of ``count`` sandboxes that run side by side: MiB of memory of each container, as
    `docker stats` counts it, and MiB written to disk.
    """
    with ExitStack() as stack:
        sandboxes = [
            stack.enter_context(DockerSandbox(client, place, SandboxLimits(), nodes=nodes))
            for _ in range(count)
        ]
        time.sleep(PAUSE_SECONDS)
        return [_size(client.api, sandbox) for sandbox in sandboxes]


def _size(api: Any, sandbox: DockerSandbox) -> dict[str, float]:
    ids = {role: sandbox.container(role) for role in ROLES}
    memory = {f"{role}_mib": _memory(api, one) / MIB for role, one in ids.items()}
    written = api.containers(filters={"id": list(ids.values())}, size=True)
    return {
        **memory,
        "memory_mib": sum(memory.values()),
        "disk_mib": sum(one.get("SizeRw", 0) for one in written) / MIB,
    }


def _memory(api: Any, container: str) -> float:
    """Bytes in use without the file cache; files in memory (tmpfs) count."""
    memory = api.stats(container, stream=False, one_shot=True)["memory_stats"]
    known = memory["stats"]
    droppable = known.get("total_inactive_file", known.get("inactive_file", 0))  # cgroup v1, v2
    return float(memory["usage"] - droppable)
