"""The facts of one container, each read again from `docker inspect` when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from docker.errors import APIError, ImageNotFound, NotFound

from grader.checks.commandline import (
    Json,
    RunCommand,
    is_anonymous,
    restart_policy,
    run_command,
    shell_word,
)
from grader.checks.engine import asking, engine, explanation, near, summaries, transport
from grader.checks.references import genuine_id
from grader.checks.verdict import CheckFailed, quoted

MAX_LOG_BYTES = 1024 * 1024
MAX_LOG_LINES = 10_000
MIB = 2**20


@dataclass(frozen=True)
class Mount:
    """A mount: `type` is `volume`, `bind` or `tmpfs`; `source` is a volume's name or a folder of
    the machine.
    """

    type: str
    source: str
    target: str
    read_only: bool

    @property
    def anonymous(self) -> bool:
        """Whether it is a volume whose name the engine made up."""
        return self.type == "volume" and is_anonymous(self.source)


class ContainerFacts:
    """What the engine says of a container. Facts of a container that does not exist raise
    `CheckFailed`.

    The name is looked up once. All facts after the first are those of the same id, because a name
    can be given to another container at any time.
    """

    def __init__(self, name: str, known_id: str | None = None) -> None:
        self.name = name
        self._known_id = known_id

    def __repr__(self) -> str:
        return f"container({self.name!r})"

    @property
    def exists(self) -> bool:
        """Whether a container has this name, running or not."""
        return self._found() is not None

    @property
    def id(self) -> str:
        """The full id, 64 hexadecimal digits."""
        return str(self._inspect()["Id"])

    @property
    def status(self) -> str:
        """`created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`."""
        return str(self._state["Status"])

    @property
    def running(self) -> bool:
        """Whether its main process runs now (a paused container does not count)."""
        return self.status == "running"

    @property
    def exit_code(self) -> int:
        """The exit code of its main process; 0 while it has not ended."""
        return int(self._state["ExitCode"])

    @property
    def out_of_memory(self) -> bool:
        """Whether the kernel killed it for passing its memory limit."""
        return bool(self._state["OOMKilled"])

    @property
    def pid(self) -> int:
        """Process id of its main process on the engine's machine; 0 when it does not run."""
        return int(self._state["Pid"])

    @property
    def started_at(self) -> datetime | None:
        """When it was last started (UTC); None if never."""
        started = str(self._state["StartedAt"])
        return (
            None if started.startswith("0001-") else datetime.fromisoformat(started[:19] + "+00:00")
        )

    @property
    def restart_count(self) -> int:
        """How often its restart policy has started it again."""
        return int(self._inspect()["RestartCount"])

    @property
    def health(self) -> str | None:
        """`starting`, `healthy` or `unhealthy`; None without a health check."""
        health = self._state.get("Health")
        return str(health["Status"]) if health else None

    @property
    def image(self) -> str:
        """The image as it was named when the container was created."""
        return str(self._config["Image"])

    @property
    def image_id(self) -> str:
        """The id of the image it was created from, `sha256:…`."""
        return str(self._inspect()["Image"])

    @property
    def command(self) -> list[str]:
        """Its main process, program and arguments (entrypoint and command together)."""
        info = self._inspect()
        return [info["Path"], *info["Args"]]

    @property
    def env(self) -> dict[str, str]:
        """Its environment variables, those of its image included."""
        return pairs(self._config.get("Env"))

    @property
    def labels(self) -> dict[str, str]:
        """Its labels, those of its image included."""
        return dict(self._config.get("Labels") or {})

    @property
    def user(self) -> str:
        """The user its main process was asked to run as; empty means root. `uid` is what it is."""
        return str(self._config.get("User") or "")

    @property
    def workdir(self) -> str:
        """The folder its main process starts in."""
        return str(self._config.get("WorkingDir") or "/")

    @property
    def ports(self) -> dict[str, list[int]]:
        """Published ports: container port (`80/tcp`) to host ports, the numbers the engine chose
        included.
        """
        return {
            port: _host_ports(bindings) for port, bindings in self._bindings().items() if bindings
        }

    def _bindings(self) -> dict[str, list[Json] | None]:
        info = self._inspect()
        live = info["NetworkSettings"].get("Ports") if info["State"]["Running"] else None
        return live or info["HostConfig"].get("PortBindings") or {}

    @property
    def mounts(self) -> list[Mount]:
        """What is mounted in it: volumes and folders of the machine."""
        return [
            Mount(
                m["Type"],
                m.get("Name") or m.get("Source") or "",
                m["Destination"],
                not m.get("RW", True),
            )
            for m in self._inspect()["Mounts"]
        ]

    @property
    def networks(self) -> list[str]:
        """The names of the networks it is attached to."""
        return sorted(self._inspect()["NetworkSettings"].get("Networks") or {})

    @property
    def restart_policy(self) -> str:
        """`no`, `always`, `unless-stopped`, `on-failure` or `on-failure:3`, as `--restart` spells
        it.
        """
        return restart_policy(self._host)

    @property
    def memory_mib(self) -> float | None:
        """Its memory limit in MiB; None without one."""
        limit = int(self._host.get("Memory") or 0)
        return limit / MIB if limit else None

    @property
    def pids_limit(self) -> int | None:
        """How many processes it may have; None without a limit."""
        limit = int(self._host.get("PidsLimit") or 0)
        return limit if limit > 0 else None

    @property
    def logs(self) -> str:
        """What its main process printed, both streams: the last 10,000 lines, at most 1 MiB."""
        try:
            return read_log(self.id)
        except APIError as error:
            raise CheckFailed(
                f"The log of `{self.name}` cannot be read: {explanation(error)}",
                "a container whose log the engine keeps.",
                self._run_command().again(self.name),
            ) from None

    @property
    def processes(self) -> list[str]:
        """The command lines of its processes, as `docker top` lists them; empty when it does not
        run.

        An engine without cgroups, as in a grading sandbox, cannot tell: `EnvironmentProblem`.
        """
        try:
            with transport():
                table = engine().top(self.id)
        except APIError:
            return []
        titles = list(table["Titles"])
        column = titles.index("CMD") if "CMD" in titles else len(titles) - 1
        return [row[column] for row in table["Processes"]]

    @property
    def _state(self) -> Json:
        return dict(self._inspect()["State"])

    @property
    def _config(self) -> Json:
        return dict(self._inspect()["Config"])

    @property
    def _host(self) -> Json:
        return dict(self._inspect()["HostConfig"])

    @property
    def _word(self) -> str:
        """The name as a shell takes it."""
        return shell_word(self.name)

    def _found(self) -> Json | None:
        try:
            with transport():
                info: Json = engine().inspect_container(self._known_id or self.name)
        except (NotFound, APIError):
            return None
        # the engine also takes the beginning of an id for a name
        if self._known_id is None and self.name not in (info["Name"].lstrip("/"), info["Id"]):
            return None
        self._known_id = str(info["Id"])
        return info

    def _inspect(self) -> Json:
        info = self._found()
        if info is not None:
            return info
        if self._known_id is not None:
            raise CheckFailed(
                f"The container {quoted(self.name)} was removed while this check looked at it.",
                "a container that stays until the check has ended.",
                "docker ps -a, then run the check again.",
            )
        sentence, meant = near(self.name, container_names(), "containers")
        raise CheckFailed(
            f"There is no container named {quoted(self.name)}. {sentence}",
            f"a container named {quoted(self.name)}.",
            (
                f"docker rename {shell_word(meant)} {self._word}"
                if meant
                else f"docker run -d --name {self._word} IMAGE"
            ),
        )

    def _run_command(self) -> RunCommand:
        """The `docker run` line that would make it again."""
        info = self._inspect()
        return run_command(info, inspect_image(info["Image"]))


def inspect_image(ref: str) -> Json | None:
    """`docker image inspect` of a reference or id; None if the engine does not have it.

    In grading, a name of a course image means the image that the sandbox was made with, whatever
    was tagged with that name since.
    """
    found, genuine = _inspect_image(ref), genuine_id(ref)
    return _inspect_image(genuine) if found and genuine not in (None, found["Id"]) else found


def _inspect_image(ref: str | None) -> Json | None:
    try:
        with transport():
            image: Json = engine().inspect_image(ref)  # type: ignore[no-untyped-call]
            return image
    except (ImageNotFound, APIError):
        return None


def container_names() -> list[str]:
    """The names of all containers, running or not."""
    known = summaries("containers", all="true")
    return [one["Names"][0].lstrip("/") for one in known if one.get("Names")]


def pairs(items: Iterable[str] | None) -> dict[str, str]:
    """`["A=1"]` as `{"A": "1"}`."""
    return {key: value for key, _, value in (item.partition("=") for item in items or [])}


def _host_ports(bindings: list[Json]) -> list[int]:
    """Each host port once: the engine lists one binding for IPv4 and one for IPv6."""
    return sorted(
        {int(b["HostPort"]) for b in bindings if b.get("HostPort") not in (None, "", "0")}
    )


def read_log(name: str, *, stdout: bool = True, stderr: bool = True) -> str:
    """What a container printed: the last 10,000 lines, at most 1 MiB."""
    text = bytearray()
    with asking():
        for chunk in engine().logs(
            name, stdout=stdout, stderr=stderr, stream=True, follow=False, tail=MAX_LOG_LINES
        ):
            text += chunk
            if len(text) >= MAX_LOG_BYTES:
                break
    return bytes(text[:MAX_LOG_BYTES]).decode("utf-8", "replace")
