"""What a container does: exists, runs, has ended, comes back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import ceil

from docker.errors import APIError

from grader.checks import throwaway
from grader.checks.commandline import Json
from grader.checks.container.facts import ContainerFacts
from grader.checks.deadline import allowed, eventually, steadily
from grader.checks.engine import asking, engine, explanation
from grader.checks.verdict import CheckFailed, quoted

EXIT_CODES = {
    126: " (the command cannot be executed)",
    127: " (the command was not found)",
    137: " (killed)",
    143: " (asked to stop)",
}
SETTLING = ("restarting", "removing")
# `StartedAt` is read to the second: at this age a container has run for at least one.
SETTLED = timedelta(seconds=2)


class ContainerState(ContainerFacts):
    """The checks of a container's existence and state."""

    @property
    def uid(self) -> int | None:
        """The user id of its main process, asked of the kernel, whatever the image or `-u` says;
        None when it does not run.

        0 (root) also where the process could become root again.
        """
        pid = self.pid
        ids = throwaway.user_ids(pid) if pid else []
        if not ids or self.pid != pid:
            return None
        return 0 if 0 in ids else ids[1]

    def must_exist(self) -> None:
        """A container has this name, running or not."""
        self._inspect()

    def must_not_exist(self, *, within_seconds: float = 5) -> None:
        """No container has this name; waits for a removal under way."""

        def look() -> None:
            # by its name each time: another container may have it now
            info = ContainerFacts(self.name)._found()
            if info is not None:
                raise CheckFailed(
                    f"`{self.name}` still exists (status {info['State']['Status']}).",
                    f"no container named `{self.name}`: stopping keeps a container, removing"
                    " deletes it.",
                    f"docker rm -f {self._word}",
                )

        eventually(look, within_seconds)

    def must_be_running(self, *, for_seconds: float = 0, within_seconds: float = 10) -> None:
        """Its main process runs, and (`for_seconds`) keeps running without a restart. Waits only
        for a restart under way.
        """
        eventually(self._must_run_now, within_seconds if self.status in SETTLING else 0)
        first = (self.started_at, self.restart_count)

        def look() -> None:
            self._must_run_now()
            if (self.started_at, self.restart_count) != first:
                raise CheckFailed(
                    f"`{self.name}` was restarted while the check watched it for {for_seconds:g}"
                    f" s.{self._last_words()}",
                    f"`{self.name}` running without a restart.",
                    f"docker logs {self._word}",
                )

        steadily(look, for_seconds)

    def must_be_created(self) -> None:
        """It was created and has never been started."""
        if self.status != "created":
            raise CheckFailed(
                f"`{self.name}` has been started: its status is {quoted(self.status)}.",
                f"`{self.name}` created, not started (status `created`).",
                self._run_command().without("-d").again(self.name, verb="create"),
            )

    def must_be_paused(self) -> None:
        """All its processes are frozen by `docker pause`."""
        if self.status != "paused":
            start = "" if self.running else f"docker start {self._word} && "
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
                    (
                        f"`{self.name}` was created and never started."
                        if never
                        else f"`{self.name}` is {self.status}."
                    ),
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
        """Runs again after `docker restart`. What must have survived is for the next lines of the
        test to look at.
        """
        self._has_done_what_comes_first()
        try:
            with asking():
                engine().restart(self.id, timeout=ceil(allowed(2)))
        except APIError as error:
            raise CheckFailed(
                f"`{self.name}` could not be restarted: {explanation(error)}",
                f"`{self.name}` running again after a restart.",
                f"docker restart {self._word}",
            ) from None
        self.must_be_running(for_seconds=1, within_seconds=within_seconds)

    def must_survive_crash(self, *, within_seconds: float = 15) -> None:
        """Runs again, by its restart policy, after its main process was killed from outside
        (SIGKILL, as a crash does).
        """
        self.must_be_running()
        crashed, policy = self.pid, self.restart_policy
        throwaway.kill(crashed)

        def look() -> None:
            if not self.running or self.pid == crashed:
                raise CheckFailed(
                    f"`{self.name}` did not come back after its main process was killed: it is"
                    f" {self.status}, and its restart policy is {quoted(policy)}.",
                    f"`{self.name}` running again by itself.",
                    f"docker update --restart unless-stopped {self._word} && docker start"
                    f" {self._word}",
                )

        eventually(look, within_seconds)

    def _has_done_what_comes_first(self) -> None:
        """Waits until a container that was started just now is `SETTLED`: what it does once, such
        as making a folder, stands in the way of the second start only after the first one did it.
        """
        started = self.started_at
        if started is not None and self.running:
            age = datetime.now(UTC) - started
            steadily(self.must_exist, (SETTLED - age).total_seconds())

    def _must_run_now(self) -> None:
        state = self._state
        if state["Status"] != "running":
            found, hint = _not_running(self.name, self._word, state)
            words = self._last_words() if state["Status"] in ("exited", "restarting") else ""
            raise CheckFailed(found + words, f"`{self.name}` running.", hint)

    def _last_words(self) -> str:
        """A sentence with the last line of its log; nothing where the engine keeps no log."""
        try:
            lines = [line for line in self.logs.splitlines() if line.strip()]
        except CheckFailed:
            return ""
        return f" Its log ends with {quoted(lines[-1].strip())}." if lines else " Its log is empty."


def _not_running(name: str, word: str, state: Json) -> tuple[str, str]:
    """What a container does in place of running, and the command that fits."""
    status, code = state["Status"], state["ExitCode"]
    if status == "created" and state.get("Error"):
        return (
            f"`{name}` was created but could not start: {quoted(str(state['Error']))}.",
            f"docker start {word}",
        )
    if status == "created":
        return f"`{name}` was created and never started.", f"docker start {word}"
    if status == "paused":
        return f"`{name}` is paused.", f"docker unpause {word}"
    if status == "restarting":
        return (
            f"`{name}` ends with exit code {code} each time it is restarted.",
            f"docker logs {word}",
        )
    if state["OOMKilled"]:
        return (
            f"`{name}` was killed (exit code {code}): it passed its memory limit.",
            f"docker logs {word}",
        )
    if status == "exited":
        return (
            (
                f"`{name}` is not running: its main process ended with exit code"
                f" {code}{EXIT_CODES.get(code, '')}."
            ),
            f"docker logs {word}",
        )
    return f"`{name}` is {status}.", f"docker ps -a --filter name={word}"
