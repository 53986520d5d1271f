"""The lab's container: an engine of one's own, inside a container on the machine's Docker.

Capabilities: Docker's default set plus SYS_ADMIN (mounts: overlay, cgroups), NET_ADMIN (bridges,
iptables) and SYS_PTRACE (``docker exec`` into a container whose process is not root). No
``--privileged``, no device, nothing of the host's but the workspace folder: see docs/decisions.md.
"""

import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, cast

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.types import LogConfig

from lab.course import LABEL
from lab.errors import LabError

CAPABILITIES = ("SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE")
HUB_NAMES = ("registry-1.docker.io", "auth.docker.io", "index.docker.io")
OUR_VOLUME = "/var/lib/lab"  # the engine's data and the registry's, in one volume


def start(
    client: docker.DockerClient,
    image: str,
    name: str,
    command: list[str],
    *,
    volumes: Mapping[str, Mapping[str, str]],
    environment: dict[str, str],
    hub: bool,
    ports: Mapping[int | str, tuple[str, int]] | None = None,
    labels: dict[str, str] | None = None,
) -> Container:
    """Create and start a container with a root engine inside. ``hub``: Docker Hub answers, so its
    names are left alone.

    Raises docker.errors.APIError, with the container removed, when the machine refuses.
    """
    api = client.api
    host = api.create_host_config(
        init=True,
        cap_add=list(CAPABILITIES),
        security_opt=["seccomp=unconfined", "apparmor=unconfined"],
        cgroupns="private",
        # No name of Docker Hub is looked up where it cannot be reached: the registry inside answers
        # for it, at once.
        extra_hosts=None if hub else dict.fromkeys(HUB_NAMES, "127.0.0.1"),
        binds=dict(volumes),
        port_bindings=dict(ports or {}),
        log_config=LogConfig(type="json-file", config={"max-size": "5m", "max-file": "2"}),
    )
    host |= {
        "MaskedPaths": [],
        "ReadonlyPaths": [],
    }  # the engine inside mounts /proc and /sys for its own containers
    config = api.create_container_config(
        image,
        command,
        hostname="lab",
        environment={**environment, "LAB_HUB": "yes" if hub else "no"},
        ports=list(ports or {}),
        labels={LABEL: name, "course.hub": "yes" if hub else "no", **(labels or {})},
        host_config=host,
        stop_signal="SIGTERM",
    )
    container = client.containers.get(api.create_container_from_config(config, name)["Id"])  # type: ignore[no-untyped-call]
    try:
        container.start()
    except APIError:
        container.remove(force=True, v=True)
        raise
    return container


def find(client: docker.DockerClient, name: str) -> Container | None:
    """The container of that name, if there is one."""
    try:
        return client.containers.get(name)
    except NotFound:
        return None


@dataclass(frozen=True)
class Output:
    """What a command inside printed (stdout and stderr as one text), and its exit status."""

    exit_code: int
    text: str


def run(container: Container, command: list[str], **options: Any) -> Output:
    """Run a command inside, as root; options as for docker-py's ``exec_run``."""
    code, out = container.exec_run(command, **options)
    return Output(code or 0, cast(bytes, out or b"").decode(errors="replace"))


def stream(client: docker.DockerClient, container: Container, command: list[str]) -> Iterator[str]:
    """Run a command inside and yield its output line by line; LabError when it fails."""
    handle = client.api.exec_create(container.id, command)["Id"]
    rest = ""
    tail: list[str] = []
    for chunk in client.api.exec_start(handle, stream=True):
        *lines, rest = (rest + chunk.decode(errors="replace")).split("\n")
        for line in lines:
            tail = [*tail[-9:], line]
            yield line
    code = client.api.exec_inspect(handle)["ExitCode"]
    if code:
        raise LabError(
            f"`{' '.join(command)[:120]}` failed in the lab (exit status {code}):\n"
            + "\n".join([*tail, rest]),
            "bin/lab doctor, then bin/lab up again",
        )


def put_stream(container: Container, folder: str, name: str, source: IO[bytes]) -> None:
    """Copy one file into the container through the Docker API; it goes over a file on disk, not
    through memory.
    """
    with tempfile.TemporaryFile() as spool:
        with tarfile.open(fileobj=spool, mode="w") as archive:
            entry = tarfile.TarInfo(name)
            entry.size = source.seek(0, os.SEEK_END)
            source.seek(0)
            archive.addfile(entry, source)
        spool.seek(0)
        container.put_archive(folder, cast(bytes, spool))


def has_file(client: docker.DockerClient, image: str, volume: str, path: str) -> bool:
    """Whether a volume holds a file: asked of a container that is created for it and never
    started.
    """
    probe = client.containers.create(
        image,
        ["true"],
        volumes={volume: {"bind": "/v", "mode": "ro"}},
        labels={LABEL: "probe"},
        network_disabled=True,
    )
    try:
        probe.get_archive(f"/v/{path}")
    except NotFound:
        return False
    else:
        return True
    finally:
        probe.remove(force=True)
