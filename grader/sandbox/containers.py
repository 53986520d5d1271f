"""The containers of a sandbox on Docker: what they are made of, and what each may do."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import APIError
from docker.types import LogConfig, Mount

from grader.sandbox.channel import Channel
from grader.sandbox.interface import SandboxLimits
from lab.inside.users import Users

SOCKETS = {"checker": "/sockets/checker", "student": "/sockets/student"}
START_SECONDS = 90.0
NODE = "lab"  # the cluster's first node, as in a student's own lab
# fail at once, not after ten seconds
NO_LOOKUP = ("docker.io", "registry-1.docker.io", "auth.docker.io", "index.docker.io")
# `docker` and `kubectl` end before collecting garbage would pay
SHORT_GO = {"GOGC": "off", "GOMEMLIMIT": "96MiB"}
ENGINE_CAPABILITIES = ("SETUID", "SETGID")  # for newuidmap and newgidmap
GIVEN_UP = ("SYS_ADMIN", "SETPCAP")  # for one mount, before the engine starts
ROOTLESS_NEEDS = ("seccomp=unconfined", "apparmor=unconfined")
COURSE = "/opt/course"


@dataclass(frozen=True)
class SandboxImage:
    """The lab image, a volume with the engines' images, the lab's own template."""

    image: str
    template: str | None = None
    registry: str | None = None

    def mounts(self) -> list[Mount]:
        """The read-only volumes of an engine's container."""
        volumes = {"/template": self.template, "/lab-template": self.registry}
        return [Mount(path, name, read_only=True) for path, name in volumes.items() if name]


def create_engine(
    api: Any,
    image: str,
    name: str,
    labels: dict[str, str],
    limits: SandboxLimits,
    mounts: list[Mount],
    tmpfs: dict[str, str],
    *,
    users: Users,
    nodes: int = 0,
) -> str:
    """Create a container with a rootless engine, data at ``/data``; returns its id.

    ``nodes``: of a pocket cluster on it; 0: without one.
    """
    environment = {
        "HOME": "/home/student",
        "XDG_RUNTIME_DIR": "/run/user/1000",
        "DOCKER_HOST": f"unix://{SOCKETS['checker']}/docker.sock",
    }
    command = [
        "/usr/bin/python3",
        "-I",
        f"{COURSE}/lab/inside/sandbox_engine.py",
        f"--user={users.student}",
        f"--checker={users.checker}",
        f"--template-ids={users.template_as_own()}",
    ]
    created = api.create_container(
        image,
        [*command, f"--nodes={nodes}"] if nodes else command,
        name=name,
        user="0:0",
        working_dir="/",
        hostname=NODE if nodes else None,
        environment=environment,
        labels=labels,
        stdin_open=True,
        host_config=_engine_host(api, limits, mounts, tmpfs, users),
    )
    return str(created["Id"])


def _engine_host(
    api: Any, limits: SandboxLimits, mounts: list[Mount], tmpfs: dict[str, str], users: Users
) -> dict[str, Any]:
    """What a rootless engine's container may do, and no more."""
    owner = f"uid={users.student},gid={users.student}"
    host = host_config(
        api,
        memory=limits.engine_memory,
        pids=limits.engine_pids,
        network_mode="none",
        mounts=mounts,
        cap_add=[*ENGINE_CAPABILITIES, *GIVEN_UP],
        security_opt=list(ROOTLESS_NEEDS),
        devices=["/dev/net/tun:/dev/net/tun:rwm"],
        sysctls={"net.ipv4.ip_unprivileged_port_start": "0"},
        extra_hosts=dict.fromkeys(NO_LOOKUP, "127.0.0.1"),
        ulimits=[docker.types.Ulimit(name="nofile", soft=4096, hard=8192)],
        tmpfs={
            **scratch_folders(users.student),
            "/var/log/lab": f"rw,size=8m,{owner}",
            "/run/user/1000": f"rw,size=16m,{owner},mode=700",
            **tmpfs,
        },
        log_config=LogConfig(type=LogConfig.types.JSON, config={"max-size": "1m", "max-file": "1"}),
    )
    # a rootless engine mounts /proc for its own containers
    return host | {"MaskedPaths": [], "ReadonlyPaths": []}


def attach(api: Any, container: str) -> Channel:
    """The container's standard streams."""
    stream = api.attach_socket(
        container, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
    )
    return Channel(getattr(stream, "_sock", stream))


def remove(api: Any, *labels: str) -> None:
    """Remove all containers, then all volumes that carry all of these labels."""
    for container in api.containers(all=True, filters={"label": list(labels)}):
        with suppress(APIError):
            api.remove_container(container["Id"], force=True, v=True)
    for volume in api.volumes(filters={"label": list(labels)})["Volumes"] or []:
        with suppress(APIError):
            api.remove_volume(volume["Name"], force=True)


def host_config(api: Any, *, memory: int, pids: int, **options: Any) -> dict[str, Any]:
    """What all three containers have in common."""
    return dict(
        api.create_host_config(
            mem_limit=f"{memory}m",
            memswap_limit=f"{memory}m",
            pids_limit=pids,
            nano_cpus=10**9,
            cap_drop=["ALL"],
            read_only=True,
            **options,
        )
    )


def scratch_folders(user: int) -> dict[str, str]:
    """File systems in memory for what programs write; the home is the user's."""
    return {
        "/tmp": "rw,exec,size=64m,mode=1777",  # noqa: S108
        "/home/student": f"rw,exec,size=64m,uid={user},gid={user},mode=700",
    }
