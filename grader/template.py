"""The sandboxes' template: a volume with the course images as a stopped rootless engine leaves them.

Its layers must belong to the numbers that a rootless engine maps, so a rootless engine makes it, once for each set of images.
"""

import io
import re
import tarfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.types import Mount

from grader.kernels import Kernel, KernelLostError
from grader.sandbox import SOCKETS, START_SECONDS, USER, Limits, SandboxError, attach, create_engine, remove
from lab import engine
from lab.course import LABEL

PREFIX = "docker-course-sandbox-template-"
MAKER = "course.sandbox.template"  # label of the container that makes one
STOP_SECONDS = 30


@dataclass(frozen=True)
class Shell:
    """Runs commands beside the engine that is being filled; ``docker`` there talks to it."""

    api: Any
    container: str

    def run(self, command: list[str], stdin: Iterable[bytes] | None = None) -> str:
        """Run one command, fed from ``stdin``; returns what it printed. Raises SandboxError when it fails."""
        handle = self.api.exec_create(self.container, command, user=str(USER), stdin=stdin is not None)["Id"]
        said = self._fed(handle, stdin) if stdin else self.api.exec_start(handle).decode(errors="replace")
        code = self.api.exec_inspect(handle)["ExitCode"]
        if code:
            raise SandboxError(
                f"`{' '.join(command)[:100]}` failed while the sandboxes' images were made (exit status {code}): {said[-500:]}"
            )
        return str(said)

    def _fed(self, handle: str, stdin: Iterable[bytes]) -> str:
        stream = self.api.exec_start(handle, socket=True)
        connected = getattr(stream, "_sock", stream)
        for chunk in stdin:
            connected.sendall(chunk)
        connected.shutdown(1)
        said = b""
        while chunk := connected.recv(65536):
            said += chunk
        stream.close()
        return said.decode(errors="replace")


@dataclass(frozen=True)
class ImageSource:
    """Where images come from. ``version`` changes when they do; ``fill`` loads them; ``volumes`` (name → path) are mounted read-only."""

    version: str
    fill: Callable[[Shell], None]
    volumes: Mapping[str, str] = field(default_factory=dict)


def ensure_template(client: docker.DockerClient, image: str, source: ImageSource) -> str:
    """Name of the template's volume, made first where it is missing or was left unfinished."""
    volume = PREFIX + re.sub(r"[^a-zA-Z0-9_.-]", "-", source.version)
    with suppress(NotFound):
        client.volumes.get(volume)
        if engine.has_file(client, image, volume, "complete"):
            return volume
        remove(client.api, f"{MAKER}={volume}")
        client.volumes.get(volume).remove(force=True)
    client.volumes.create(volume, labels={LABEL: "template"})
    try:
        _make(client, image, volume, source)
    finally:
        remove(client.api, f"{MAKER}={volume}")
    return volume


def from_lab_template(volume: str, names: Iterable[str]) -> ImageSource:
    """The images of the lab's own template, over the registry in it; ``names`` as in ``docker pull``."""
    wanted = tuple(names)

    def fill(shell: Shell) -> None:
        for name in wanted:
            shell.run(["docker", "pull", "--quiet", name])

    return ImageSource(volume.rpartition("-")[2], fill, {volume: "/registry"})


def _make(client: docker.DockerClient, image: str, volume: str, source: ImageSource) -> None:
    api = client.api
    mounts = [Mount("/data", volume), *(Mount(path, name, read_only=True) for name, path in source.volumes.items())]
    scratch = dict.fromkeys(SOCKETS.values(), f"rw,size=1m,uid={USER},gid={USER}")
    _give_to_user(client, image, volume)
    container = create_engine(
        api, image, volume + "-maker", {MAKER: volume}, Limits(engine_memory=4096), mounts, scratch
    )
    try:
        channel = attach(api, container)
        api.start(container)
        Kernel(channel).wait_until_ready(time.monotonic() + START_SECONDS)
        shell = Shell(api, container)
        source.fill(shell)
        shell.run(["pkill", "-TERM", "-x", "dockerd"])
        api.wait(container, timeout=STOP_SECONDS)
    except (APIError, KernelLostError) as error:
        raise SandboxError(
            f"The sandboxes' images could not be made: {error}\n{api.logs(container, tail=5).decode(errors='replace')}"
        ) from error
    api.put_archive(container, "/data", _empty_file("complete"))


def _give_to_user(client: docker.DockerClient, image: str, volume: str) -> None:
    """A new volume belongs to root; the engine that fills it does not run as root."""
    mount = Mount("/data", volume, no_copy=True)
    client.containers.run(
        image,
        ["chown", f"{USER}:{USER}", "/data"],
        user="0:0",
        mounts=[mount],
        network_disabled=True,
        remove=True,
        labels={MAKER: volume},
    )


def _empty_file(name: str) -> bytes:
    with tarfile.open(fileobj=(spool := io.BytesIO()), mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return spool.getvalue()
