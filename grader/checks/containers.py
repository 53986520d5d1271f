"""`container("web")`: what must hold of a container."""

from __future__ import annotations

import shlex
import time
from urllib.parse import urlsplit

import docker.utils
from docker.errors import APIError

from grader.checks import answers, archive
from grader.checks.commandline import MountSpec, Publish, RunCommand, memory_text, shell_word
from grader.checks.container_facts import MIB, ContainerFacts, Mount, inspect_image
from grader.checks.deadline import Deadline, eventually
from grader.checks.engine import engine, explanation, transport
from grader.checks.execution import ExecResult, execute
from grader.checks.verdict import CheckFailed, listed, quoted

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


def container(name: str) -> Container:
    """A container by its name; asks the engine nothing yet.

    >>> container("web")
    container('web')
    """
    return Container(name)


class Container(ContainerFacts):
    """A container: facts as properties, `must_*` raise `CheckFailed` when they do not hold."""

    # existence and state

    def must_exist(self) -> None:
        """A container has this name, running or not."""
        self._inspect()

    def must_not_exist(self, *, within_seconds: float = 5) -> None:
        """No container has this name; waits for a removal under way."""

        def look() -> None:
            if self.exists:
                raise CheckFailed(
                    f"`{self.name}` still exists (status {self.status}).",
                    f"no container named `{self.name}`: stopping keeps a container, removing deletes it.",
                    f"docker rm -f {self._word}",
                )

        eventually(look, within_seconds)

    def must_be_running(self, *, for_seconds: float = 0, within_seconds: float = 10) -> None:
        """Its main process runs, and (`for_seconds`) keeps running without a restart.

        Waits only while it is restarting.
        """
        deadline = Deadline(within_seconds)
        while self.status in ("restarting", "removing") and not deadline.passed:
            time.sleep(min(0.2, deadline.seconds_left))
        self._must_run_now()
        first = (self.started_at, self.restart_count)
        watch = Deadline(for_seconds)
        while not watch.passed:
            time.sleep(min(0.2, watch.seconds_left))
            self._must_run_now()
        if (self.started_at, self.restart_count) != first:
            raise CheckFailed(
                f"`{self.name}` runs, but it was restarted while the check watched it for {for_seconds:g} s.",
                f"`{self.name}` running without a restart.",
                f"docker logs {self._word}",
            )

    def must_be_created(self) -> None:
        """It was created and has never been started."""
        if self.status != "created":
            raise CheckFailed(
                f"`{self.name}` has been started: its status is {quoted(self.status)}.",
                f"`{self.name}` created, not started (status `created`).",
                f"docker rm -f {self._word}, then make it with docker create instead of docker run.",
            )

    def must_be_paused(self) -> None:
        """All its processes are frozen by `docker pause`."""
        if self.status != "paused":
            start = "" if self.running else f"docker start {self._word}, then "
            raise CheckFailed(
                f"`{self.name}` is not paused: its status is {quoted(self.status)}.",
                f"`{self.name}` paused.",
                f"{start}docker pause {self._word}",
            )

    def must_have_exited(self, code: int | None = 0, *, within_seconds: float = 10) -> None:
        """Its main process has ended, with this exit code (None: with any)."""

        def look() -> None:
            if self.status != "exited":
                never = self.status == "created"
                raise CheckFailed(
                    f"`{self.name}` was created and never started." if never else f"`{self.name}` is {self.status}.",
                    f"`{self.name}` exited" + ("." if code is None else f" with code {code}."),
                    f"docker start {self._word}" if never else f"docker stop {self._word}",
                )

        eventually(look, within_seconds)
        if code is not None and self.exit_code != code:
            raise CheckFailed(
                f"`{self.name}` exited with code {self.exit_code}.{self._last_words()}",
                f"exit code {code}.",
                f"docker logs {self._word}",
            )

    def must_survive_restart(self, *, within_seconds: float = 15) -> None:
        """Runs again after `docker restart`: look again afterwards at what must have survived."""
        try:
            with transport():
                engine().restart(self.id, timeout=2)
        except APIError as error:
            raise CheckFailed(
                f"`{self.name}` could not be restarted: {explanation(error)}",
                f"`{self.name}` running again after docker restart {self._word}.",
                f"docker restart {self._word}",
            ) from None
        self.must_be_running(for_seconds=1, within_seconds=within_seconds)

    # what it was made from

    def must_run_image(self, ref: str) -> None:
        """It was created from this image. Ids are compared: every name of the same image counts."""
        info, wanted = self._inspect(), inspect_image(ref)
        if wanted is not None and wanted["Id"] == info["Image"]:
            return
        missing = f" {quoted(ref)} is not on this engine." if wanted is None else ""
        raise CheckFailed(
            f"`{self.name}` runs the image {quoted(self.image)}.{missing}",
            f"a container made from {quoted(ref)} (any other name of the same image counts too).",
            RunCommand(ref, self._run_command().options).again(self.name),
        )

    def must_have_command(self, *argv: str) -> None:
        """Its main process is exactly this program with these arguments."""
        if self.command != list(argv):
            raise CheckFailed(
                f"The main process of `{self.name}` is {quoted(shlex.join(self.command))}.",
                f"{quoted(shlex.join(argv))}.",
                f"docker rm -f {self._word}, then docker run with {quoted(shlex.join(argv))} after the image name.",
            )

    def must_have_env(self, spec: str) -> None:
        """It has the environment variable `NAME`, or `NAME=value`, spelled as after `-e`."""
        name, given, value = spec.partition("=")
        found = self.env.get(name)
        if found is None or (given and found != value):
            has = f"`{self.name}` has no environment variable {quoted(name)}."
            other = f"In `{self.name}` the environment variable {quoted(name)} is {quoted(found or '')}."
            raise CheckFailed(
                has if found is None else other,
                f"{quoted(spec)}." if given else f"a value for {quoted(name)}.",
                self._again(self._without_pair("-e", name).with_option("-e", spec if given else f"{name}=VALUE")),
            )

    def must_have_label(self, spec: str) -> None:
        """It has the label `key`, or `key=value`, spelled as after `--label`."""
        key, given, value = spec.partition("=")
        found = self.labels.get(key)
        if found is None or (given and found != value):
            has = f"`{self.name}` has no label {quoted(key)}."
            raise CheckFailed(
                has if found is None else f"The label {quoted(key)} of `{self.name}` is {quoted(found)}.",
                f"the label {quoted(spec)}.",
                self._again(
                    self._without_pair("--label", key).with_option("--label", spec if given else f"{key}=VALUE")
                ),
            )

    def must_mount(self, spec: str) -> None:
        """A volume, folder or anonymous volume is mounted, spelled as after `-v`: `data:/data`, `/src:/app:ro`, `/data`."""
        wanted = MountSpec.parse(spec)
        found = next((mount for mount in self.mounts if mount.target.rstrip("/") == wanted.target.rstrip("/")), None)
        if found is None or not _same_mount(found, wanted):
            raise CheckFailed(
                f"Nothing is mounted at {quoted(wanted.target)} in `{self.name}`."
                if found is None
                else f"At {quoted(wanted.target)} in `{self.name}` is {_described(found)}.",
                f"{_described(wanted)} at {quoted(wanted.target)}.",
                self._again(self._without_mount(wanted.target).with_option("-v", spec)),
            )

    def must_limit_memory(self, limit: str) -> None:
        """Its memory limit is this, spelled as after `--memory`: `64m`, `1g`."""
        found = self.memory_mib
        if found is None or round(found * MIB) != docker.utils.parse_bytes(limit):
            raise CheckFailed(
                f"`{self.name}` has no memory limit."
                if found is None
                else f"The memory limit of `{self.name}` is {memory_text(round(found * MIB))}.",
                f"a memory limit of {limit}.",
                self._again(self._run_command().replacing("--memory", limit)),
            )

    def must_limit_pids(self, limit: int) -> None:
        """It may have this many processes at most (`--pids-limit`)."""
        found = self.pids_limit
        if found != limit:
            raise CheckFailed(
                f"`{self.name}` has no limit on its processes."
                if found is None
                else f"`{self.name}` may have {found} processes.",
                f"at most {limit} processes.",
                self._again(self._run_command().replacing("--pids-limit", str(limit))),
            )

    def must_restart(self, policy: str) -> None:
        """Its restart policy is this, spelled as after `--restart`; `on-failure` takes any number of retries."""
        found = self.restart_policy
        if found != policy and found.partition(":")[0] != policy:
            raise CheckFailed(
                f"The restart policy of `{self.name}` is {quoted(found)}.",
                f"restart policy {quoted(policy)}.",
                f"docker update --restart {shell_word(policy)} {self._word}",
            )

    def must_be_on_network(self, network: str) -> None:
        """It is attached to the network of this name."""
        if network not in self.networks:
            raise CheckFailed(
                f"`{self.name}` is on {listed(self.networks) or 'no network'}.",
                f"`{self.name}` on the network {quoted(network)}.",
                f"docker network connect {shell_word(network)} {self._word}",
            )

    def must_run_as(self, user: str) -> None:
        """Its main process was asked to run as this user, spelled as after `-u`."""
        if self.user.partition(":")[0] != user.partition(":")[0]:
            raise CheckFailed(
                f"`{self.name}` runs as {quoted(self.user or 'root')}.",
                f"`{self.name}` running as {quoted(user)}.",
                self._again(self._run_command().replacing("-u", user)),
            )

    # ports and answers

    def must_publish(self, spec: str) -> None:
        """A port of it is published, spelled as after `-p`: `8080:80`, or `80` for any host port."""
        wanted = Publish.parse(spec)
        found = self.ports.get(wanted.container_port)
        if found is not None and wanted.host_port in (None, *found):
            return
        port = wanted.container_port.removesuffix("/tcp")
        host = "any host port" if wanted.host_port is None else f"host port {wanted.host_port}"
        fixed = self._run_command()
        for option, value in fixed.options:
            if option == "-p" and value and _collides(Publish.parse(value), wanted):
                fixed = fixed.without("-p", value)
        raise CheckFailed(
            self._published_instead(wanted, port, found),
            f"{host} → container port {port}.",
            self._again(fixed.with_option("-p", spec)),
        )

    def must_answer(
        self, url: str, *, containing: str | None = None, status: int = 200, within_seconds: float = 10
    ) -> None:
        """It answers this URL through a port it publishes; `/path` alone means its first published port.

        Asks until the deadline. On `localhost` the port must be one that this container publishes.
        """
        self.must_be_running(within_seconds=within_seconds)
        url = self._url(url)
        expected = f"an answer with status {status}" + (f" containing {quoted(containing)}." if containing else ".")
        deadline = Deadline(within_seconds)

        def look() -> None:
            found = self._wrong_answer(url, containing, status, max(1.0, deadline.seconds_left))
            if found is not None:
                raise CheckFailed(found, expected, self._answer_hint(url, found))

        eventually(look, within_seconds)

    # inside

    def must_log(self, text: str, *, within_seconds: float = 5) -> None:
        """Its log (either stream) contains this text; looks until the deadline."""

        def look() -> None:
            if text not in self.logs:
                raise CheckFailed(
                    f"The log of `{self.name}` does not contain {quoted(text)}.{self._last_words()}",
                    f"{quoted(text)} in the log.",
                    f"docker logs {self._word}",
                )

        eventually(look, within_seconds)

    def exec(self, *argv: str, within_seconds: float = 10) -> ExecResult:
        """Runs a program in it, as `docker exec` does: no shell, no standard input. Returns what it did."""
        self.must_be_running()
        return execute(self.id, self.name, list(argv), within_seconds)

    def must_run(
        self, command: str, *, printing: str | None = None, exit_code: int = 0, within_seconds: float = 10
    ) -> None:
        """A command line in it ends with this exit code and prints this text. No shell: write `sh -c '…'` for one."""
        result = self.exec(*shlex.split(command), within_seconds=within_seconds)
        typed = f"docker exec {self._word} {command}"
        if result.exit_code != exit_code:
            raise CheckFailed(
                f"In `{self.name}`, {quoted(command)} ended with exit code {result.exit_code}{_said(result.output)}.",
                f"exit code {exit_code}.",
                typed,
            )
        if printing is not None and printing not in result.output:
            raise CheckFailed(
                f"In `{self.name}`, {quoted(command)} printed {quoted(result.output.strip()) if result.output else 'nothing'}.",
                f"{quoted(printing)} in what it prints.",
                typed,
            )

    def must_have_file(self, path: str, *, containing: str | None = None) -> None:
        """It has a regular file at this path, containing this text. Works on stopped containers too."""
        found = archive.read(self.id, path)
        folder = path.rpartition("/")[0] or "/"
        listing = f"docker exec {self._word} ls -l {shell_word(folder)}"
        if found is None or found.kind != "file":
            what = f"There is no file {quoted(path)} in `{self.name}`."
            raise CheckFailed(
                what if found is None else f"{quoted(path)} in `{self.name}` is a {found.kind}, not a file.",
                f"a file {quoted(path)}.",
                listing if self.running else f"docker start {self._word}, then {listing}",
            )
        if containing is not None and containing not in found.text:
            raise CheckFailed(
                f"{quoted(path)} in `{self.name}` does not contain {quoted(containing)}{_said(found.text, 'it has')}.",
                f"{quoted(containing)} in {quoted(path)}.",
                f"docker exec {self._word} cat {shell_word(path)}",
            )

    # words

    def _must_run_now(self) -> None:
        state = self._state
        if state["Status"] != "running":
            found, hint = _not_running(self.name, self._word, state)
            words = self._last_words() if state["Status"] in ("exited", "restarting") else ""
            raise CheckFailed(found + words, f"`{self.name}` running.", hint)

    def _last_words(self) -> str:
        lines = [line for line in self.logs.splitlines() if line.strip()]
        return f" Its log ends with {quoted(lines[-1].strip())}." if lines else " Its log is empty."

    def _again(self, line: RunCommand) -> str:
        return line.again(self.name)

    def _without_pair(self, option: str, name: str) -> RunCommand:
        line = self._run_command()
        for kind, value in line.options:
            if kind == option and value and value.partition("=")[0] == name:
                line = line.without(option, value)
        return line

    def _without_mount(self, target: str) -> RunCommand:
        line = self._run_command()
        for kind, value in line.options:
            if kind == "-v" and value and MountSpec.parse(value).target == target:
                line = line.without("-v", value)
        return line

    def _published_instead(self, wanted: Publish, port: str, found: list[int] | None) -> str:
        state = f"`{self.name}` is {self.status}, " + ("but" if self.running else "and")
        if found:
            return f"{state} its port {port} is published on host port {', '.join(map(str, found))}."
        for inside, outside in self.ports.items():
            if inside == f"{wanted.host_port}/tcp" and f"{port}" in map(str, outside):
                return f"{state} the two ports are the other way round: host port {port} → container port {wanted.host_port}."
        return f"{state} its port {port} is not published to your machine."

    def _url(self, url: str) -> str:
        """The whole URL, after making sure that a local one leads to this container."""
        host_ports = [port for ports in self.ports.values() for port in ports]
        if url.startswith("/"):
            if not host_ports:
                raise CheckFailed(
                    f"`{self.name}` is running, but none of its ports is published to your machine.",
                    "a published port.",
                    self._again(self._run_command().with_option("-p", "HOST_PORT:CONTAINER_PORT")),
                )
            return f"http://localhost:{host_ports[0]}{url}"
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        shares_host = self._host.get("NetworkMode") == "host"
        if parts.hostname in LOCAL_HOSTS and port not in host_ports and not shares_host:
            others = f" It publishes {listed(_arrows(self.ports))}." if host_ports else ""
            raise CheckFailed(
                f"`{self.name}` is running, but nothing of it is published on host port {port}.{others}",
                f"`{self.name}` to answer on {url}, through host port {port}.",
                self._again(self._run_command().without("-p").with_option("-p", f"{port}:CONTAINER_PORT")),
            )
        return url

    def _wrong_answer(self, url: str, containing: str | None, status: int, seconds_left: float) -> str | None:
        try:
            answer = answers.get(url, seconds_left)
        except answers.NoAnswerError as none:
            return f"{url} {none}."
        if answer.status != status:
            moved = f" (moved to {quoted(answer.location)})" if answer.location else ""
            return f"{url} answered with status {answer.status}{moved}{_said(answer.text, 'and')}."
        if containing is not None and containing not in answer.text:
            return f"{url} answered with status {answer.status}, but without {quoted(containing)}{_said(answer.text, 'it says')}."
        return None

    def _answer_hint(self, url: str, found: str) -> str:
        if "closed it without" in found:
            inside = ", ".join(port.removesuffix("/tcp") for port in self.ports)
            return f"docker logs {self._word}: does the program listen on 0.0.0.0 and on the container port you published ({inside})?"
        return f"curl -i {shell_word(url)}, and docker logs {self._word}"


def _same_mount(found: Mount, wanted: MountSpec) -> bool:
    if wanted.read_only and not found.read_only:
        return False
    if wanted.source is None:
        return found.anonymous
    kind = "bind" if wanted.is_bind else "volume"
    return found.type == kind and found.source.rstrip("/") == wanted.source.rstrip("/")


def _described(mount: Mount | MountSpec) -> str:
    ro = ", read-only" if mount.read_only else ""
    if mount.source is None or (isinstance(mount, Mount) and mount.anonymous):
        return f"an anonymous volume{ro}"
    is_bind = mount.is_bind if isinstance(mount, MountSpec) else mount.type == "bind"
    return f"{'the folder' if is_bind else 'the volume'} {quoted(mount.source)}{ro}"


def _collides(one: Publish, other: Publish) -> bool:
    return one.container_port == other.container_port or (
        one.host_port is not None and one.host_port == other.host_port
    )


def _arrows(ports: dict[str, list[int]]) -> list[str]:
    return [f"{host}:{inside.removesuffix('/tcp')}" for inside, hosts in ports.items() for host in hosts]


def _said(text: str, verb: str = "and said") -> str:
    return f", {verb} {quoted(text.strip())}" if text.strip() else ""


def _not_running(name: str, word: str, state: dict[str, object]) -> tuple[str, str]:
    """What a container does in place of running, and the command that fits."""
    status, code = state["Status"], state["ExitCode"]
    if status == "created" and state.get("Error"):
        return f"`{name}` was created but could not start: {quoted(str(state['Error']))}.", f"docker start {word}"
    if status == "created":
        return f"`{name}` was created and never started.", f"docker start {word}"
    if status == "paused":
        return f"`{name}` is paused.", f"docker unpause {word}"
    if status == "restarting":
        return f"`{name}` ends with exit code {code} each time it is restarted.", f"docker logs {word}"
    if state["OOMKilled"]:
        return f"`{name}` was killed (exit code {code}): it passed its memory limit.", f"docker logs {word}"
    if status == "exited":
        return f"`{name}` is not running: its main process ended with exit code {code}.", f"docker logs {word}"
    return f"`{name}` is {status}.", f"docker ps -a --filter name={word}"
