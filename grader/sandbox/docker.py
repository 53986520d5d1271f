"""A sandbox on the machine's Docker: three containers of the lab image for one submission, and
nothing of the host's in any of them.

E  the engine: rootless, no network, two capabilities, its images from a read-only template; a
pocket cluster on it where one is asked for A  the student's kernel: their files, and the engine
through one socket B  the checker's kernel: the tests, and the engine through another socket

A and B share E's network namespace (a published port answers on localhost, and so does the cluster)
but no process, no file and no user with each other: each has an engine's socket and credentials for
the cluster of its own. All that crosses between the host and a sandbox goes through Docker's API:
attached standard input and output, and archives of single files.
"""

import os
import secrets
import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.types import LogConfig, Mount

from grader.archive import RefusedError
from grader.judging.results import Reason
from grader.sandbox.channel import Channel, Kernel, KernelLostError
from grader.sandbox.files import USER, only_file, packed
from lab.inside.guard.containers import (
    WORK,  # the same path in E and A, so that `docker run -v "$PWD":/x` means the same folder
)

LABEL = "course.sandbox"
OWNER_LABEL = "course.sandbox.owner"
BORN_LABEL = "course.sandbox.owner-born"
CHECK = "/home/student/check"
PYTHON = "/opt/lab/venv/bin/python"
COURSE = "/opt/course"
START_SECONDS = 90.0
DEATH_SECONDS = 5.0  # for Docker to notice that a container has ended, and why
NODE = "lab"  # the cluster's node, as in a student's own lab
ROLES = ("engine", "student", "checker")
SOCKETS = {"checker": "/sockets/checker", "student": "/sockets/student"}
NO_LOOKUP = (
    "docker.io",
    "registry-1.docker.io",
    "auth.docker.io",
    "index.docker.io",
)  # fail at once, not after ten seconds
SHORT_GO = {
    "GOGC": "off",
    "GOMEMLIMIT": "96MiB",
}  # `docker` and `kubectl` end before collecting garbage would pay
ROOTLESS_NEEDS = ("seccomp=unconfined", "apparmor=unconfined")


@dataclass(frozen=True)
class Limits:
    """What one submission may use. Sizes in MiB; seconds are the student's own, except
    ``check_seconds``.
    """

    cell_seconds: float = 60
    submission_seconds: float = 600
    check_seconds: float = 120
    engine_memory: int = 1536
    engine_disk: int = 1024
    kernel_memory: int = 512
    work_disk: int = 64
    engine_pids: int = 512
    kernel_pids: int = 256
    file_bytes: int = 256_000

    def workers_for(self, machine: Mapping[str, Any]) -> int:
        """How many sandboxes the machine of ``docker info`` carries side by side, even where each
        needs all that it may.

        >>> Limits().workers_for({"NCPU": 8, "MemTotal": 16 << 30})
        6
        """
        most = (self.engine_memory + 2 * self.kernel_memory) << 20
        return max(1, min(int(machine["NCPU"]), int(machine["MemTotal"]) // most))


@dataclass(frozen=True)
class Place:
    """What sandboxes are made of: the lab image, the volume with their engines' images, the lab's
    own template for its registry.
    """

    image: str
    template: str | None = None
    registry: str | None = None

    def mounts(self) -> list[Mount]:
        """The read-only volumes of an engine's container."""
        return [
            *self.images(),
            *([Mount("/lab-template", self.registry, read_only=True)] if self.registry else []),
        ]

    def images(self) -> list[Mount]:
        """The images alone: by them the checker knows an image that only has the name of one
        (grader/checks/references.py).
        """
        return [Mount("/template", self.template, read_only=True)] if self.template else []


class SandboxError(Exception):
    """Our side: the sandbox could not be made or was lost, through no fault of the submission."""


def owner() -> str:
    """Who makes a sandbox: this process on this machine. What a dead owner left behind is swept
    away.
    """
    return f"{socket.gethostname()}/{os.getpid()}"


def owner_labels() -> dict[str, str]:
    """The labels of all that this process makes."""
    return {OWNER_LABEL: owner(), BORN_LABEL: _born(os.getpid())}


def _born(process: int) -> str:
    """When a process started, in the kernel's ticks: its number alone may be another's after a
    restart. Empty without /proc.
    """
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


class Sandbox:
    """A context manager: made on entry, gone on exit, whatever happened in between. ``cluster``:
    with a pocket cluster.
    """

    def __init__(
        self, client: docker.DockerClient, place: Place, limits: Limits, *, cluster: bool = False
    ) -> None:
        self.id = secrets.token_hex(6)
        self.limits = limits
        self.cluster = cluster
        self._api = client.api
        self._place = place
        self._containers: dict[str, str] = {}
        self.student: Kernel
        self.checker: Kernel

    def __enter__(self) -> Self:
        try:
            self._make()
        except (DockerException, KernelLostError, OSError) as error:
            detail = self._last_words()
            self.close()
            raise SandboxError(f"A sandbox could not be made: {error}{detail}") from error
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove all that carries this sandbox's label."""
        remove(self._api, f"{LABEL}={self.id}")

    def bring(self, files: Mapping[str, bytes]) -> None:
        """Put a submission's files into the student's folder, before any code of the student has
        run.
        """
        if files:
            self._api.put_archive(self._containers["student"], WORK, packed(files))

    def container(self, role: str) -> str:
        """The id of one of its three containers; ``role`` is one of ROLES."""
        return self._containers[role]

    def runs(self) -> bool:
        """Whether all three containers run: one that was made some time ago may have ended
        since.
        """
        return all(
            self._api.inspect_container(one)["State"]["Running"]
            for one in self._containers.values()
        )

    def read_file(self, path: str) -> bytes:
        """A file of the student's folder. Raises FileNotFoundError, and
        ``grader.archive.RefusedError`` for all but a small regular file.

        Read through the engine's container, so it works when the student's kernel has ended.
        """
        try:
            chunks, status = self._api.get_archive(self._containers["engine"], f"{WORK}/{path}")
        except NotFound:
            raise FileNotFoundError(path) from None
        except APIError as error:
            raise RefusedError("cannot be read") from error
        if status["size"] > self.limits.file_bytes:
            raise RefusedError(f"larger than {self.limits.file_bytes // 1000} kB")
        return only_file(chunks, self.limits.file_bytes)

    def death(self, role: str) -> Reason | None:
        """Why a container (``engine``, ``student``, ``checker``) has ended; None while it runs."""
        deadline = time.monotonic() + DEATH_SECONDS
        while (state := self._api.inspect_container(self._containers[role])["State"])["Running"]:
            if time.monotonic() > deadline or role == "engine":
                return None
            time.sleep(0.05)
        return "out-of-memory" if state["OOMKilled"] or self._oom_events(role) else "kernel-died"

    def kill(self, role: str) -> None:
        """End a container that does not answer."""
        with suppress(APIError):
            self._api.kill(self._containers[role])

    def _oom_events(self, role: str) -> bool:
        """Engines before 23.0 set OOMKilled only when the main process was the one that was
        killed.
        """
        now = int(time.time()) + 1
        events = self._api.events(
            since=now - 3600,
            until=now,
            filters={"container": self._containers[role], "event": "oom"},
            decode=True,
        )
        return any(True for _ in events)

    def _make(self) -> None:
        for name, size in (("work", self.limits.work_disk), ("checker", 1), ("student", 1)):
            self._volume(name, size)
        with ThreadPoolExecutor(3) as pool:
            self._containers["engine"] = self._create_engine()
            made = pool.map(self._create_kernel, ROLES[1:])
            engine = self._start("engine")
            self._containers.update(zip(ROLES[1:], made, strict=True))
            self.student, self.checker = map(Kernel, pool.map(self._start, ROLES[1:]))
        deadline = time.monotonic() + START_SECONDS
        for kernel in (Kernel(engine), self.student, self.checker):
            kernel.wait_until_ready(deadline)

    def _volume(self, name: str, mebibytes: int) -> None:
        options = {
            "type": "tmpfs",
            "device": "tmpfs",
            "o": f"size={mebibytes}m,uid={USER},gid={USER},mode=0755",
        }
        self._api.create_volume(
            f"course-sandbox-{self.id}-{name}", "local", options, self._labels()
        )

    def _labels(self) -> dict[str, str]:
        return {LABEL: self.id, **owner_labels()}

    def _mount(self, name: str, target: str) -> Mount:
        return Mount(target, f"course-sandbox-{self.id}-{name}", no_copy=True)

    def _create_engine(self) -> str:
        mounts = [
            self._mount("work", WORK),
            *(self._mount(name, path) for name, path in SOCKETS.items()),
        ]
        mounts += self._place.mounts()
        tmpfs = {
            "/data": (
                f"rw,exec,suid,dev,size={self.limits.engine_disk}m,uid={USER},gid={USER},mode=700"
            )
        }
        name = f"course-sandbox-{self.id}-engine"
        return create_engine(
            self._api,
            self._place.image,
            name,
            self._labels(),
            self.limits,
            mounts,
            tmpfs,
            cluster=self.cluster,
        )

    def _create_kernel(self, role: str) -> str:
        student = role == "student"
        folder = WORK if student else CHECK
        environment = {
            "HOME": "/home/student",
            "DOCKER_HOST": f"unix://{SOCKETS[role]}/docker.sock",
            **SHORT_GO,
        }
        environment |= {"KUBECONFIG": f"{SOCKETS[role]}/kubeconfig"} if self.cluster else {}
        if not student:
            environment |= {
                "PYTHONSAFEPATH": "1",
                "PYTHONNOUSERSITE": "1",
            }  # a collected file must not pass for a library
        host = _host_config(
            self._api,
            memory=self.limits.kernel_memory,
            pids=self.limits.kernel_pids,
            network_mode=f"container:{self._containers['engine']}",
            mounts=[
                self._mount(role, SOCKETS[role]),
                *([self._mount("work", WORK)] if student else self._place.images()),
            ],
            security_opt=["no-new-privileges"],
            tmpfs=_scratch(),
            log_config=LogConfig(type=LogConfig.types.NONE),
        )
        command = [PYTHON, "-m", "grader.sandbox.inside.relay", folder]
        created = self._api.create_container(
            self._place.image,
            command,
            name=f"course-sandbox-{self.id}-{role}",
            user=f"{USER}:{USER}",
            working_dir="/",
            environment=environment,
            labels=self._labels(),
            stdin_open=True,
            host_config=host,
        )
        return str(created["Id"])

    def _start(self, role: str) -> Channel:
        """Attached before it starts, so that no byte is lost."""
        channel = attach(self._api, self._containers[role])
        self._api.start(self._containers[role])
        return channel

    def _last_words(self) -> str:
        with suppress(KeyError, APIError):
            log = self._api.logs(self._containers["engine"], tail=5)
            return "\nThe engine's last words:\n" + log.decode(errors="replace").strip()
        return ""


def create_engine(
    api: Any,
    image: str,
    name: str,
    labels: dict[str, str],
    limits: Limits,
    mounts: list[Mount],
    tmpfs: dict[str, str],
    *,
    cluster: bool = False,
) -> str:
    """Create (not start) a container with a rootless engine of one's own; its data are at
    ``/data``. Returns the container's id.
    """
    host = _host_config(
        api,
        memory=limits.engine_memory,
        pids=limits.engine_pids,
        network_mode="none",
        mounts=mounts,
        cap_add=["SETUID", "SETGID"],
        security_opt=list(ROOTLESS_NEEDS),
        devices=["/dev/net/tun:/dev/net/tun:rwm"],
        sysctls={"net.ipv4.ip_unprivileged_port_start": "0"},
        extra_hosts=dict.fromkeys(NO_LOOKUP, "127.0.0.1"),
        ulimits=[docker.types.Ulimit(name="nofile", soft=4096, hard=8192)],
        init=True,
        tmpfs={
            **_scratch(),
            "/var/log/lab": f"rw,size=8m,uid={USER},gid={USER}",
            "/run/user/1000": f"rw,size=16m,uid={USER},gid={USER},mode=700",
            **tmpfs,
        },
        log_config=LogConfig(type=LogConfig.types.JSON, config={"max-size": "1m", "max-file": "1"}),
    )
    host |= {
        "MaskedPaths": [],
        "ReadonlyPaths": [],
    }  # a rootless engine mounts /proc for its own containers
    environment = {
        "HOME": "/home/student",
        "XDG_RUNTIME_DIR": "/run/user/1000",
        "DOCKER_HOST": f"unix://{SOCKETS['checker']}/docker.sock",
    }
    command = [
        "/usr/bin/python3",
        "-I",
        f"{COURSE}/lab/inside/sandbox_engine.py",
        *(["--cluster"] if cluster else []),
    ]
    created = api.create_container(
        image,
        command,
        name=name,
        user="0:0",
        working_dir="/",
        hostname=NODE if cluster else None,
        environment=environment,
        labels=labels,
        stdin_open=True,
        host_config=host,
    )
    return str(created["Id"])


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


def sweep(client: docker.DockerClient) -> None:
    """Remove the sandboxes of graders on this machine that are no longer there."""
    found = [
        *client.api.containers(all=True, filters={"label": OWNER_LABEL}),
        *(client.api.volumes(filters={"label": OWNER_LABEL})["Volumes"] or []),
    ]
    for one, born in {
        (thing["Labels"][OWNER_LABEL], thing["Labels"].get(BORN_LABEL, "")) for thing in found
    }:
        if not _alive(one, born):
            labels = [f"{OWNER_LABEL}={one}", *([f"{BORN_LABEL}={born}"] if born else [])]
            remove(client.api, *labels)


def _alive(one: str, born: str) -> bool:
    """Whether the owner may still be there. Who cannot be asked (another machine's, another
    version's) counts as alive.
    """
    host, _, process = one.rpartition("/")
    if host != socket.gethostname() or not process.isdecimal():
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return not born or born == _born(int(process))


def _host_config(api: Any, *, memory: int, pids: int, **options: Any) -> dict[str, Any]:
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


def _scratch() -> dict[str, str]:
    return {
        "/tmp": "rw,exec,size=64m,mode=1777",  # noqa: S108
        "/home/student": f"rw,exec,size=64m,uid={USER},gid={USER},mode=700",
    }
