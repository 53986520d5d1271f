"""`container("web")`: what must hold of a container."""

from __future__ import annotations

import shlex

from grader.checks import archive, throwaway
from grader.checks.commandline import RunCommand, shell_word
from grader.checks.container.ports import ContainerPorts
from grader.checks.deadline import Deadline, eventually
from grader.checks.execution import ExecResult, execute, must_have_done
from grader.checks.verdict import CheckFailed, quoted, said


def container(name: str) -> Container:
    """A container by its name; asks the engine nothing yet.

    >>> container("web")
    container('web')
    """
    return Container(name)


class Container(ContainerPorts):
    """A container: facts as properties, `must_*` raise `CheckFailed` when they do not hold."""

    def must_log(self, text: str, *, within_seconds: float = 5) -> None:
        """Its log (either stream) contains this text; looks until the deadline."""

        def look() -> None:
            if text not in self.logs:
                raise CheckFailed(
                    f"The log of `{self.name}` does not contain"
                    f" {quoted(text)}.{self._last_words()}",
                    f"{quoted(text)} in the log.",
                    f"docker logs {self._word}",
                )

        eventually(look, within_seconds)

    def exec(self, *argv: str, within_seconds: float = 10) -> ExecResult:
        """Runs a program in it, as `docker exec` does: no shell, no standard input. Returns what it
        did.
        """
        self.must_be_running()
        return execute(self.id, self.name, list(argv), within_seconds)

    def must_run(
        self,
        command: str,
        *,
        printing: str | None = None,
        exit_code: int = 0,
        within_seconds: float = 10,
    ) -> None:
        """A command line in it ends with this exit code and prints this text. No shell: write `sh
        -c '…'` for one.

        The program is the container's own, so believe it about files, not about a server:
        `must_serve` asks that. Runs it again until the deadline.
        """
        self.must_be_running()
        deadline = Deadline(within_seconds)

        def look() -> None:
            result = self.exec(
                *shlex.split(command), within_seconds=max(1.0, deadline.nominal_seconds_left)
            )
            typed = f"docker exec {self._word} {command}"
            must_have_done(self.name, command, typed, result, printing, exit_code)

        eventually(look, deadline)

    def must_serve(
        self,
        command: str,
        *,
        client: str,
        printing: str | None = None,
        exit_code: int = 0,
        env: list[str] | None = None,
        within_seconds: float = 10,
    ) -> None:
        """Its server answers a client: a command line in a throw-away container of the course image
        `client`, on this container's network, ends with this exit code and prints this text.

        `127.0.0.1` is this container there. Nothing in this container has a say in what the client
        prints, but a server can repeat what it is asked for: let `printing` be something that it
        has to work out. Runs it again until the deadline.
        """
        self.must_be_running()
        options: list[tuple[str, str | None]] = [
            ("--rm", None),
            ("--network", f"container:{self.name}"),
            *(("-e", item) for item in env or []),
        ]
        argv, deadline = shlex.split(command), Deadline(within_seconds)
        typed = RunCommand(client, options, argv).line()

        def look() -> None:
            self.must_be_running()
            result = throwaway.run(
                (client,),
                argv,
                network=f"container:{self.id}",
                env=env,
                within_seconds=max(1.0, deadline.seconds_left),
            )
            must_have_done(
                self.name, command, typed, result, printing, exit_code, "On the network of"
            )

        eventually(look, within_seconds)

    def must_have_file(self, path: str, *, containing: str | None = None) -> None:
        """It has a regular file at this path, containing this text. Works on stopped containers
        too.
        """
        found = archive.read(self.id, path)
        folder = path.rpartition("/")[0] or "/"
        listing = f"docker exec {self._word} ls -l {shell_word(folder)}"
        if found is None or found.kind != "file":
            what = f"There is no file {quoted(path)} in `{self.name}`."
            raise CheckFailed(
                (
                    what
                    if found is None
                    else f"{quoted(path)} in `{self.name}` is a {found.kind}, not a file."
                ),
                f"a file {quoted(path)}.",
                listing if self.running else f"docker start {self._word}, then {listing}",
            )
        if containing is not None and containing not in found.text:
            raise CheckFailed(
                f"{quoted(path)} in `{self.name}` does not contain"
                f" {quoted(containing)}{said(found.text, 'it has')}.",
                f"{quoted(containing)} in {quoted(path)}.",
                f"docker exec {self._word} cat {shell_word(path)}",
            )
