"""What a container was made with: image, command, variables, labels, mounts, limits, networks."""

from __future__ import annotations

import os.path
import shlex
from dataclasses import replace
from pathlib import PurePath

from docker.utils import parse_bytes

from grader.checks import archive
from grader.checks.commandline import MountSpec, RunCommand, memory_text, shell_word
from grader.checks.container.facts import MIB, Mount, inspect_image
from grader.checks.container.state import ContainerState
from grader.checks.container.users import same_user
from grader.checks.verdict import CheckFailed, listed, quoted


class ContainerSettings(ContainerState):
    """The checks of a container's settings. A setting is spelled as its option of `docker run`
    takes it.
    """

    def must_run_image(self, ref: str) -> None:
        """It was created from this image. Ids are compared: every name of the same image counts."""
        info, wanted = self._inspect(), inspect_image(ref)
        if wanted is not None and wanted["Id"] == info["Image"]:
            return
        missing = f" {quoted(ref)} is not on this engine." if wanted is None else ""
        raise CheckFailed(
            f"`{self.name}` runs the image {quoted(self.image)}.{missing}",
            f"a container made from {quoted(ref)} (any other name of the same image counts too).",
            self._again(replace(self._run_command(), image=ref)),
        )

    def must_have_command(self, *argv: str) -> None:
        """Its main process is exactly this program with these arguments."""
        if self.command != list(argv):
            raise CheckFailed(
                f"The main process of `{self.name}` is {quoted(shlex.join(self.command))}.",
                f"{quoted(shlex.join(argv))}.",
                (
                    self._again(
                        replace(self._run_command().without("--entrypoint"), command=list(argv))
                    )
                    if not self._config.get("Entrypoint")
                    else (
                        f"docker rm -f {self._word}, then docker run with other words after the"
                        " image name."
                    )
                ),
            )

    def must_have_env(self, spec: str) -> None:
        """It has the environment variable `NAME`, or `NAME=value`, spelled as after `-e`."""
        name, given, value = spec.partition("=")
        found = self.env.get(name)
        if found is None or (given and found != value):
            has = f"`{self.name}` has no environment variable {quoted(name)}."
            other = (
                f"In `{self.name}` the environment variable {quoted(name)} is"
                f" {quoted(found or '')}."
            )
            raise CheckFailed(
                has if found is None else other,
                f"{quoted(spec)}." if given else f"a value for {quoted(name)}.",
                self._again(
                    self._without_pair("-e", name).with_option(
                        "-e", spec if given else f"{name}=VALUE"
                    )
                ),
            )

    def must_have_label(self, spec: str) -> None:
        """It has the label `key`, or `key=value`, spelled as after `--label`."""
        key, given, value = spec.partition("=")
        found = self.labels.get(key)
        if found is None or (given and found != value):
            has = f"`{self.name}` has no label {quoted(key)}."
            raise CheckFailed(
                (
                    has
                    if found is None
                    else f"The label {quoted(key)} of `{self.name}` is {quoted(found)}."
                ),
                f"the label {quoted(spec)}.",
                self._again(
                    self._without_pair("--label", key).with_option(
                        "--label", spec if given else f"{key}=VALUE"
                    )
                ),
            )

    def must_mount(self, spec: str) -> None:
        """A volume, folder or anonymous volume is mounted, spelled as after `-v`: `data:/data`,
        `/src:/app:ro`, `/data`.

        A relative folder (`./site:/html`) matches by its last parts: the student's folder need not
        be the checker's.
        """
        wanted = MountSpec.parse(spec)
        found = next(
            (
                mount
                for mount in self.mounts
                if mount.target.rstrip("/") == wanted.target.rstrip("/")
            ),
            None,
        )
        if found is None or not _same_mount(found, wanted):
            raise CheckFailed(
                (
                    f"Nothing is mounted at {quoted(wanted.target)} in `{self.name}`."
                    if found is None
                    else f"At {quoted(wanted.target)} in `{self.name}` is {_described(found)}."
                ),
                f"{_described(wanted)} at {quoted(wanted.target)}.",
                self._again(self._without_mount(wanted.target).with_option("-v", spec)),
            )

    def must_limit_memory(self, limit: str) -> None:
        """Its memory limit is this, spelled as after `--memory`: `64m`, `1g`."""
        found = self.memory_mib
        if found is None or round(found * MIB) != parse_bytes(limit):
            raise CheckFailed(
                (
                    f"`{self.name}` has no memory limit."
                    if found is None
                    else f"The memory limit of `{self.name}` is {memory_text(round(found * MIB))}."
                ),
                f"a memory limit of {limit}.",
                self._again(self._run_command().replacing("--memory", limit)),
            )

    def must_limit_pids(self, limit: int) -> None:
        """It may have this many processes at most (`--pids-limit`)."""
        found = self.pids_limit
        if found != limit:
            raise CheckFailed(
                (
                    f"`{self.name}` has no limit on its processes."
                    if found is None
                    else f"`{self.name}` may have {found} processes."
                ),
                f"at most {limit} processes.",
                self._again(self._run_command().replacing("--pids-limit", str(limit))),
            )

    def must_restart(self, policy: str) -> None:
        """Its restart policy is this, spelled as after `--restart`; `on-failure` takes any number
        of retries.
        """
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
        """Its main process was asked to run as this user, spelled as after `-u`. Two spellings of
        one user id are the same user.
        """
        if not same_user(self.user, user, archive.passwd(self.id)):
            raise CheckFailed(
                f"`{self.name}` runs as {quoted(self.user or 'root')}.",
                f"`{self.name}` running as {quoted(user)}.",
                self._again(self._run_command().replacing("-u", user)),
            )

    def _again(self, line: RunCommand) -> str:
        state = self._state
        if state["Status"] == "created" and not state.get(
            "Error"
        ):  # its author typed `docker create`
            return line.without("-d").again(self.name, verb="create")
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


def _same_mount(found: Mount, wanted: MountSpec) -> bool:
    if wanted.read_only and not found.read_only:
        return False
    if wanted.source is None:
        return found.anonymous
    if not wanted.is_bind:
        return found.type == "volume" and found.source == wanted.source
    if wanted.source.startswith("/"):
        return found.type == "bind" and os.path.normpath(found.source) == os.path.normpath(
            wanted.source
        )
    parts = PurePath(wanted.source).parts
    return found.type == "bind" and (
        not parts or PurePath(found.source).parts[-len(parts) :] == parts
    )


def _described(mount: Mount | MountSpec) -> str:
    ro = ", read-only" if mount.read_only else ""
    if mount.source is None or (isinstance(mount, Mount) and mount.anonymous):
        return f"an anonymous volume{ro}"
    is_bind = mount.is_bind if isinstance(mount, MountSpec) else mount.type == "bind"
    return f"{'the folder' if is_bind else 'the volume'} {quoted(mount.source)}{ro}"
