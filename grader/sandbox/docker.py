"""A sandbox on the machine's Docker: three containers of the lab image for one submission, and
nothing of the host's in any of them.

E  the engine: rootless, no network, two capabilities, its images from a read-only template; a
   pocket cluster on it where one is asked for
A  the student's kernel: their files, and the engine through one socket
B  the checker's kernel: the tests, and the engine through another socket

Each sandbox that lives has users of its own (lab/inside/users.py): what the kernel counts by user,
no sandbox uses up for another, and no A for its B.

A and B share E's network namespace (a published port answers on localhost, and so does the cluster)
but no process, no file and no user with each other: each has an engine's socket and credentials for
the cluster of its own. All that crosses between the host and a sandbox goes through Docker's API:
attached standard input and output, and archives of single files.
"""

import secrets
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import PurePosixPath
from types import TracebackType
from typing import Self

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.types import DriverConfig, LogConfig, Mount

from grader.archive import UntrustedError
from grader.sandbox.channel import Channel, Kernel
from grader.sandbox.containers import (
    SHORT_GO,
    SOCKETS,
    START_SECONDS,
    SandboxImage,
    attach,
    create_engine,
    host_config,
    remove,
    scratch_folders,
)
from grader.sandbox.files import file_in_folder, only_file, pack
from grader.sandbox.interface import KernelLostError, Reason, SandboxError, SandboxLimits
from grader.sandbox.owners import owner_labels

# the same path in E and A, so that `docker run -v "$PWD":/x` means the same folder
from lab.inside.guard.containers import WORK
from lab.inside.users import RANGES, Users

LABEL = "course.sandbox"
CHECK = "/home/student/check"
PYTHON = "/opt/lab/venv/bin/python"
CONFLICT = 409  # HTTP: Docker has given this name to another container
DEATH_SECONDS = 5.0  # for Docker to notice that a container has ended, and why
ROLES = ("engine", "student", "checker")


class DockerSandbox:
    """A context manager: made on entry, gone on exit. ``nodes``: of its cluster; 0: without one."""

    def __init__(
        self,
        client: docker.DockerClient,
        image: SandboxImage,
        limits: SandboxLimits,
        *,
        nodes: int = 0,
    ) -> None:
        self.id = secrets.token_hex(6)
        self.limits = limits
        self.nodes = nodes
        self._api = client.api
        self._image = image
        self._containers: dict[str, str] = {}
        self._channels: list[Channel] = []
        self.student: Kernel
        self.checker: Kernel
        self.users: Users

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
        for channel in self._channels:
            channel.close()
        remove(self._api, f"{LABEL}={self.id}")

    def bring(self, files: Mapping[str, bytes]) -> None:
        """Put files into the student's folder, before any of their code has run."""
        if files:
            self._api.put_archive(
                self._containers["student"], WORK, pack(files, self.users.student)
            )

    def container(self, role: str) -> str:
        """The id of one of its three containers; ``role`` is one of ROLES."""
        return self._containers[role]

    def streams(self) -> tuple[int, int]:
        """The sockets of the student's and of the checker's kernel, for another process."""
        return self.student.channel.fileno(), self.checker.channel.fileno()

    def runs(self) -> bool:
        """Whether all three containers run: one may have ended since it was made."""
        return all(
            self._api.inspect_container(container)["State"]["Running"]
            for container in self._containers.values()
        )

    def read_file(self, path: str) -> bytes:
        """A file of the student's folder. Raises FileNotFoundError, and
        ``grader.archive.UntrustedError`` for all but a small regular file that is reached without
        a link.

        Read through the engine's container, so it works when the student's kernel has ended.
        """
        top, *below = PurePosixPath(path).parts
        try:
            chunks, status = self._api.get_archive(self._containers["engine"], f"{WORK}/{top}")
        except NotFound:
            raise FileNotFoundError(path) from None
        except APIError as error:
            raise UntrustedError("cannot be read") from error
        if below:
            most_of_all = 2 * self.limits.work_disk << 20  # an archive has headers and padding
            return file_in_folder(chunks, path, self.limits.file_bytes, most_of_all)
        if status["size"] > self.limits.file_bytes:
            raise UntrustedError(f"larger than {self.limits.file_bytes // 1000} kB")
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
        """Engines before 23.0 set OOMKilled for the main process alone."""
        now = int(time.time()) + 1
        events = self._api.events(
            since=now - 3600,
            until=now,
            filters={"container": self._containers[role], "event": "oom"},
            decode=True,
        )
        return any(True for _ in events)

    def _make(self) -> None:
        with ThreadPoolExecutor(3) as pool:
            self._claim_users()
            kernels = pool.map(self._create_kernel, ROLES[1:])
            engine = self._start("engine")
            self._containers.update(zip(ROLES[1:], kernels, strict=True))
            self.student, self.checker = map(Kernel, pool.map(self._start, ROLES[1:]))
        deadline = time.monotonic() + START_SECONDS
        for kernel in (Kernel(engine), self.student, self.checker):
            kernel.wait_until_ready(deadline)

    def _claim_users(self) -> None:
        """Create the engine's container with the first users that no other sandbox has.

        Its name is the claim: Docker gives a name to one container at a time, whoever asks. In no
        order, so that graders that work side by side rarely ask for the same.
        """
        for users in secrets.SystemRandom().sample(RANGES, len(RANGES)):
            self.users = users
            try:
                self._containers["engine"] = self._create_engine()
            except APIError as error:
                if error.status_code != CONFLICT:
                    raise
            else:
                return
        raise SandboxError(
            f"All {len(RANGES)} ranges of user ids are taken by other sandboxes. Wait for them to"
            f" end, or remove what was left behind: docker ps -a --filter label={LABEL}"
        )

    def _labels(self) -> dict[str, str]:
        return {LABEL: self.id, **owner_labels()}

    def _mount(self, name: str, target: str) -> Mount:
        return Mount(target, f"course-sandbox-{self.id}-{name}", no_copy=True)

    def _new_volume(self, name: str, target: str, mebibytes: int) -> Mount:
        """Made together with the container, so that nothing is left when its name is taken."""
        # nobody but the checker, and the guard by its group, gets into the checker's
        checkers = name == "checker"
        user, mode = (self.users.checker, "0750") if checkers else (self.users.student, "0755")
        options = {
            "type": "tmpfs",
            "device": "tmpfs",
            "o": f"size={mebibytes}m,uid={user},gid={user},mode={mode}",
        }
        volume = f"course-sandbox-{self.id}-{name}"
        driver = DriverConfig("local", options)
        return Mount(target, volume, no_copy=True, labels=self._labels(), driver_config=driver)

    def _create_engine(self) -> str:
        mounts = [
            self._new_volume("work", WORK, self.limits.work_disk),
            *(self._new_volume(name, path, 1) for name, path in SOCKETS.items()),
        ]
        mounts += self._image.mounts()
        user = self.users.student
        tmpfs = {
            "/data": (
                f"rw,exec,suid,dev,size={self.limits.engine_disk}m,uid={user},gid={user},mode=700"
            )
        }
        return create_engine(
            self._api,
            self._image.image,
            self._name("engine"),
            self._labels(),
            self.limits,
            mounts,
            tmpfs,
            users=self.users,
            nodes=self.nodes,
        )

    def _name(self, role: str) -> str:
        """Of one of its containers: nobody else with the same users can have it."""
        return f"course-sandbox-{self.users.student}-{role}"

    def _create_kernel(self, role: str) -> str:
        student = role == "student"
        user = self.users.student if student else self.users.checker
        folder = WORK if student else CHECK
        environment = {
            "HOME": "/home/student",
            "DOCKER_HOST": f"unix://{SOCKETS[role]}/docker.sock",
            **SHORT_GO,
        }
        environment |= {"KUBECONFIG": f"{SOCKETS[role]}/kubeconfig"} if self.nodes else {}
        if not student:
            # a collected file must not pass for a library
            environment |= {"PYTHONSAFEPATH": "1", "PYTHONNOUSERSITE": "1"}
        host = host_config(
            self._api,
            memory=self.limits.kernel_memory,
            pids=self.limits.kernel_pids,
            network_mode=f"container:{self._containers['engine']}",
            mounts=[
                self._mount(role, SOCKETS[role]),
                *([self._mount("work", WORK)] if student else []),
            ],
            security_opt=["no-new-privileges"],
            tmpfs=scratch_folders(user),
            log_config=LogConfig(type=LogConfig.types.NONE),
        )
        command = [PYTHON, "-m", "grader.sandbox.inside.relay", folder]
        created = self._api.create_container(
            self._image.image,
            command,
            name=self._name(role),
            # the group lets the checker open what the engine's container has for it alone
            user=f"{user}:{self.users.student}",
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
        self._channels.append(channel)
        self._api.start(self._containers[role])
        return channel

    def _last_words(self) -> str:
        with suppress(KeyError, APIError):
            log = self._api.logs(self._containers["engine"], tail=5)
            return "\nThe engine's last words:\n" + log.decode(errors="replace").strip()
        return ""
