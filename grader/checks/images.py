"""`image("me/app:1.0")`: what must hold of an image, and a throw-away container to try it in."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from grader.checks import archive, throwaway
from grader.checks.commandline import RunCommand, shell_word
from grader.checks.container.facts import inspect_image
from grader.checks.container.users import ROOT_NAMES, same_user, uid_of
from grader.checks.containers import Container
from grader.checks.execution import ExecResult
from grader.checks.image_facts import ImageFacts
from grader.checks.verdict import CheckFailed, quoted

BUILDKIT = "buildkit."


def image(ref: str) -> Image:
    """An image by its name and tag, or its id; asks the engine nothing yet.

    >>> image("nginx:alpine")
    image('nginx:alpine')
    """
    return Image(ref)


class Image(ImageFacts):
    """An image: facts as properties, `must_*` raise `CheckFailed` when they do not hold."""

    def must_exist(self) -> None:
        """The engine has it."""
        self._inspect()

    def must_not_exist(self) -> None:
        """The engine does not have it."""
        if inspect_image(self.ref) is not None:
            raise CheckFailed(
                f"The image {quoted(self.ref)} is still on this engine.",
                f"no image {quoted(self.ref)}.",
                f"docker rmi {self._word}",
            )

    def must_have_command(self, argv: list[str]) -> None:
        """Its default command is exactly this list of words: a shell form differs from an exec
        form.
        """
        self._must_have_words("CMD", self.command, argv)

    def must_have_entrypoint(self, argv: list[str]) -> None:
        """Its entrypoint is exactly this list of words."""
        self._must_have_words("ENTRYPOINT", self.entrypoint, argv)

    def must_expose(self, port: str | int) -> None:
        """It says that it listens on this port, spelled as after `EXPOSE`: `80`, `53/udp`."""
        wanted = str(port) if "/" in str(port) else f"{port}/tcp"
        if wanted not in self.exposed_ports:
            ports = ", ".join(self.exposed_ports) or "no port"
            raise CheckFailed(
                f"The image {quoted(self.ref)} exposes {ports}.",
                f"port {wanted} exposed.",
                f"EXPOSE {port} in its Dockerfile, then docker build -t {self._word} .",
            )

    def must_have_env(self, spec: str) -> None:
        """Its containers get the environment variable `NAME`, or `NAME=value`."""
        self._must_have_pair("environment variable", "ENV", self.env, spec)

    def must_have_label(self, spec: str) -> None:
        """It has the label `key`, or `key=value`."""
        self._must_have_pair("label", "LABEL", self.labels, spec)

    def must_have_workdir(self, path: str) -> None:
        """Its containers start in this folder."""
        if self.workdir.rstrip("/") != path.rstrip("/"):
            raise CheckFailed(
                f"Containers of {quoted(self.ref)} start in {quoted(self.workdir)}.",
                f"{quoted(path)}.",
                f"WORKDIR {path} in its Dockerfile, then docker build -t {self._word} .",
            )

    def must_run_as(self, user: str) -> None:
        """Its containers run as this user (a group after `:` does not matter; two spellings of one
        user id are the same user).
        """
        if not same_user(self.user, user, self._passwd()):
            raise CheckFailed(
                f"Containers of {quoted(self.ref)} run as {quoted(self.user or 'root')}.",
                f"user {quoted(user)}.",
                f"USER {user} in its Dockerfile, then docker build -t {self._word} .",
            )

    def must_not_run_as_root(self) -> None:
        """Its containers run as a user other than root: the main process of a throw-away container
        is looked at, not what the image says.
        """
        with self.run() as trial:
            uid = trial.uid
        if uid is None:  # it ended before one could look: the engine's rule
            uid = uid_of(self.user, self._passwd())
        if uid == 0:
            named = self.user.partition(":")[0] not in ROOT_NAMES
            raise CheckFailed(
                f"Containers of {quoted(self.ref)} run as root"
                + (f": `USER {self.user}` means user id 0." if named else "."),
                "a user other than root.",
                "USER with a user that the image has, in its Dockerfile, then docker build -t"
                f" {self._word} .",
            )

    def must_be_smaller_than_mib(self, limit_mib: float) -> None:
        """Its size is below this many MiB."""
        if self.size_mib >= limit_mib:
            raise CheckFailed(
                f"The size of the image {quoted(self.ref)} is {self.size_mib:.1f} MiB.",
                f"less than {limit_mib:g} MiB.",
                f"docker history {self._word} shows which step adds how much.",
            )

    def must_be_based_on(self, other: str) -> None:
        """Its lowest layers are all the layers of another image: it was built `FROM` that one."""
        base = Image(other).layers
        if self.layers[: len(base)] != base:
            raise CheckFailed(
                f"The image {quoted(self.ref)} is not built on {quoted(other)}: their lowest layers"
                " differ.",
                f"an image built FROM {other}.",
                f"FROM {other} in its Dockerfile, then docker build -t {self._word} .",
            )

    def must_be_same_as(self, other: str) -> None:
        """It is another name of the same image."""
        if self.id != Image(other).id:
            raise CheckFailed(
                f"{quoted(self.ref)} and {quoted(other)} are two different images.",
                "two names of one image.",
                f"docker tag {shell_word(other)} {self._word}",
            )

    def must_be_built(self) -> None:
        """Its newest step came from a Dockerfile."""
        if not self._from_dockerfile():
            raise CheckFailed(
                f"The newest layer of {quoted(self.ref)} was not made by a Dockerfile.",
                "an image made by docker build.",
                f"docker build -t {self._word} .",
            )

    def must_be_committed(self) -> None:
        """Its newest layer was made by `docker commit`, not by a Dockerfile."""
        if self._from_dockerfile():
            raise CheckFailed(
                f"The image {quoted(self.ref)} was made by docker build (newest step:"
                f" {quoted(self.history[0])}).",
                "an image made from a container by docker commit.",
                f"docker commit CONTAINER {self._word}",
            )

    def must_contain_file(self, path: str, *, containing: str | None = None) -> None:
        """It has a regular file at this path, containing this text."""
        found = self._file(path)
        if found is None or found.kind != "file":
            raise CheckFailed(
                (
                    f"There is no file {quoted(path)} in the image {quoted(self.ref)}."
                    if found is None
                    else (
                        f"{quoted(path)} in the image {quoted(self.ref)} is a {found.kind}, not a"
                        " file."
                    )
                ),
                f"a file {quoted(path)}.",
                f"docker run --rm {self._word} ls -l {shell_word(path.rpartition('/')[0] or '/')}",
            )
        if containing is not None and containing not in found.text:
            raise CheckFailed(
                f"{quoted(path)} in the image {quoted(self.ref)} does not contain"
                f" {quoted(containing)}.",
                f"{quoted(containing)} in {quoted(path)}.",
                f"docker run --rm {self._word} cat {shell_word(path)}",
            )

    def file_text(self, path: str) -> str | None:
        """The text of the file at this path in it, at most 1 MiB; None where there is no file."""
        found = self._file(path)
        return found.text if found is not None and found.kind == "file" else None

    def must_not_contain_file(self, path: str) -> None:
        """It has nothing at this path: no file, no folder."""
        found = self._file(path)
        if found is not None:
            raise CheckFailed(
                f"The image {quoted(self.ref)} contains the {found.kind} {quoted(path)}.",
                f"no {quoted(path)} in the image.",
                "a line in .dockerignore, or a build stage of its own, keeps it out.",
            )

    def must_print(
        self,
        *,
        containing: str,
        args: list[str] | None = None,
        exit_code: int = 0,
        within_seconds: float = 20,
    ) -> None:
        """A throw-away container of it (no network) ends with this exit code and prints this
        text.
        """
        result = self._try(args, within_seconds)
        if result.exit_code == exit_code and containing not in result.output:
            # An engine that is short of time drops what a container printed: two seconds after its
            # end it closes the log.
            result = self._try(args, within_seconds)
        typed = f"docker run --rm {' '.join([self._word, *map(shell_word, args or [])])}"
        if result.exit_code != exit_code:
            raise CheckFailed(
                f"{quoted(typed)} ended with exit code {result.exit_code}:"
                f" {quoted(result.output.strip())}.",
                f"exit code {exit_code}.",
                typed,
            )
        if containing not in result.output:
            printed = quoted(result.output.strip()) if result.output.strip() else "nothing"
            raise CheckFailed(
                f"{quoted(typed)} printed {printed}.",
                f"{quoted(containing)} in what it prints.",
                typed,
            )

    @contextmanager
    def run(
        self,
        *args: str,
        publish: str | None = None,
        env: list[str] | None = None,
        volumes: list[str] | None = None,
    ) -> Iterator[Container]:
        """A throw-away container of it, running until the block ends.

        `publish` is spelled as after `-p`; `"80"` alone takes a free host port, and
        `must_answer("/")` finds it.
        """
        with throwaway.created(
            self.id, self.ref, list(args), publish, env or [], volumes or []
        ) as made:
            throwaway.start(made, self.ref)
            trial = Container(f"check-{made[:8]}", made)
            try:
                yield trial
            except CheckFailed as failure:
                raise self._as_seen_by_the_student(
                    failure, trial.name, publish, env or [], list(args)
                ) from None

    # how

    def _from_dockerfile(self) -> bool:
        newest = next(iter(self._steps()), {})
        return str(newest.get("Comment")).startswith(BUILDKIT) or "#(nop)" in str(
            newest.get("CreatedBy")
        )

    def _file(self, path: str) -> archive.Found | None:
        with throwaway.created(self.id, self.ref, ["true"]) as made:
            return archive.read(made, path)

    def _passwd(self) -> str:
        with throwaway.created(self.id, self.ref, ["true"]) as made:
            return archive.passwd(made)

    def _try(self, args: list[str] | None, within_seconds: float) -> ExecResult:
        with throwaway.created(self.id, self.ref, args or [], network="none") as made:
            throwaway.start(made, self.ref)
            return throwaway.wait(made, self.ref, within_seconds)

    def _as_seen_by_the_student(
        self, failure: CheckFailed, name: str, publish: str | None, env: list[str], args: list[str]
    ) -> CheckFailed:
        """The failure in words about the image: the container it speaks of is gone."""
        options: list[tuple[str, str | None]] = [("--rm", None)]
        options += [("-p", publish)] if publish else []
        options += [("-e", item) for item in env]
        who = f"a container of {quoted(self.ref)}"
        found, expected = (
            text.replace(f"`{name}`", who) for text in (failure.found, failure.expected)
        )
        if found.startswith(who):
            found = found[:1].upper() + found[1:]
        return CheckFailed(found, expected, RunCommand(self.ref, options, args).line())

    def _must_have_words(self, instruction: str, found: list[str], wanted: list[str]) -> None:
        if found != wanted:
            exec_form = "[" + ", ".join(f'"{word}"' for word in wanted) + "]"
            shown = quoted(shlex.join(found)) if found else "empty"
            raise CheckFailed(
                f"The {instruction} of {quoted(self.ref)} is {shown} ({_counted(found)}).",
                f"{quoted(shlex.join(wanted))} ({_counted(wanted)}).",
                f"{instruction} {exec_form} in its Dockerfile, then docker build -t {self._word} .",
            )

    def _must_have_pair(
        self, noun: str, instruction: str, found: dict[str, str], spec: str
    ) -> None:
        key, given, value = spec.partition("=")
        if key not in found or (given and found[key] != value):
            raise CheckFailed(
                (
                    f"The image {quoted(self.ref)} has no {noun} {quoted(key)}."
                    if key not in found
                    else f"The {noun} {quoted(key)} of {quoted(self.ref)} is {quoted(found[key])}."
                ),
                f"{noun} {quoted(spec)}.",
                f"{instruction} {spec if given else key + '=VALUE'} in its Dockerfile, then docker"
                f" build -t {self._word} .",
            )


def _counted(words: list[str]) -> str:
    return "1 word" if len(words) == 1 else f"{len(words)} words"
