"""`pod("web")`: what must hold of a Pod."""

from __future__ import annotations

import re
import shlex
from math import ceil

from grader.checks import cluster
from grader.checks.cluster import Json
from grader.checks.cluster_objects import ClusterObject
from grader.checks.configs import ConfigMap, used_by
from grader.checks.deadline import Deadline, allowed, eventually, steadily
from grader.checks.execution import ExecResult, must_have_done
from grader.checks.pod_state import how_to_set_image, images, other_image, runs_image, trouble
from grader.checks.verdict import CheckFailed, quoted

# The runtime's words (runc's, crun's): the container runs, and has no `true`.
NO_PROGRAM = re.compile(r"executable file (`true` )?not found")
LIVENESS = "failed liveness probe"  # the kubelet's words
EVENT_SECONDS = 5.0  # an event may come later than what it tells of
STARTS_DIFFER_SECONDS = 3  # by so much a container may become ready sooner than the one before


def pod(name: str) -> Pod:
    """A Pod by its name; asks the cluster nothing yet.

    >>> pod("web")
    pod('web')
    """
    return Pod(name)


class Pod(ClusterObject):
    """A Pod: facts as properties, `must_*` raise `CheckFailed` when they do not hold."""

    _kind, _plural = "Pod", "pods"
    _made_by = "kubectl run {} --image=IMAGE"

    @property
    def phase(self) -> str:
        """`Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`."""
        return str((self._object().get("status") or {}).get("phase") or "Unknown")

    @property
    def ready(self) -> bool:
        """Whether it says that it is ready: all its containers run, and their readiness probes
        succeed.
        """
        return trouble(self._object()) is None

    @property
    def images(self) -> list[str]:
        """The images of its containers, as they are named in it."""
        return images(self._object())

    @property
    def ip(self) -> str:
        """Its address in the cluster; empty as long as it has none."""
        return str((self._object().get("status") or {}).get("podIP") or "")

    @property
    def restart_count(self) -> int:
        """How often its containers have been started again, all together."""
        return _restarts(self._object())

    def must_be_ready(self, *, for_seconds: float = 0, within_seconds: float = 30) -> None:
        """It is ready, and (`for_seconds`) stays so without a restart. What its status says is
        confirmed by a command that runs in it.
        """

        def look() -> None:
            self._must_say_ready()
            try:
                self.must_take_commands()
            except CheckFailed:
                self._must_say_ready()  # it may have ended in between, and then its status says why
                raise

        self.must_exist()
        eventually(look, within_seconds)
        before = self.restart_count

        def stay() -> None:
            look()
            if self.restart_count != before:
                raise CheckFailed(
                    f"A container of `{self.name}` was restarted while the check watched it for"
                    f" {for_seconds:g} s.",
                    f"the Pod `{self.name}` ready, without a restart.",
                    f"kubectl logs {self.name} --previous",
                )

        steadily(stay, for_seconds)

    def _must_say_ready(self) -> None:
        said = trouble(self._object())
        if said:
            raise CheckFailed(said[0], f"the Pod `{self.name}` ready.", said[1])

    def must_run_image(self, ref: str) -> None:
        """One of its containers was made from this image. Any name of the same image counts;
        another image under its name does not.
        """
        found = self._object()
        if not runs_image(found, ref):
            first = found["spec"]["containers"][0]["name"]
            raise CheckFailed(
                other_image(f"`{self.name}` runs", images(found), ref),
                f"a container made from {quoted(ref)}.",
                how_to_set_image(self._slashed, first, images(found), ref),
            )

    def must_run(
        self,
        command: str,
        *,
        printing: str | None = None,
        exit_code: int = 0,
        within_seconds: float = 10,
    ) -> None:
        """A command line in its first container ends with this exit code and prints this text. No
        shell: write `sh -c '…'` for one.

        Runs it again until the deadline.
        """
        self.must_exist()
        deadline = Deadline(within_seconds)

        def look() -> None:
            result = self.exec(
                *shlex.split(command), within_seconds=max(5.0, deadline.nominal_seconds_left)
            )
            typed = f"kubectl exec {self.name} -- {command}"
            must_have_done(self.name, command, typed, result, printing, exit_code)

        eventually(look, deadline)

    def exec(self, *argv: str, within_seconds: float = 10) -> ExecResult:
        """Runs a program in its first container, as `kubectl exec` does: no shell, no standard
        input. Returns what it did, both streams as one.
        """
        done = cluster.kubectl(
            "exec",
            "--quiet",
            "--namespace",
            self._namespace,
            self.name,
            "--",
            *argv,
            within_seconds=within_seconds,
            merged=True,
        )
        if done.exit_code is None:
            line = shlex.join(argv)
            raise CheckFailed(
                f"{quoted(line)} in `{self.name}` was still running after {within_seconds:g} s.",
                f"the command to end within {within_seconds:g} s.",
                f"kubectl exec {self.name} -- {line}",
            )
        return ExecResult(done.exit_code, _own_words(done.stdout), "")

    def must_be_restarted_after(self, command: str, *, within_seconds: float = 45) -> None:
        """A liveness probe notices what this command does in it: its container is started again,
        becomes ready, and stays so.
        """
        self.must_be_ready()
        uid, before = self.uid, self.restart_count
        failures = self._liveness_failures(uid)
        self.must_run(command)
        deadline = Deadline(within_seconds)

        def look() -> None:
            if self.restart_count == before:
                raise CheckFailed(
                    f"`{self.name}` kept running unchanged for {within_seconds:g} s after"
                    f" `{command}`.",
                    "its container started again, because a liveness probe fails.",
                    f"kubectl describe pod {self.name}, and see what its liveness probe asks, and"
                    " how often.",
                )

        eventually(look, deadline)
        self._must_have_failed_liveness(uid, failures)
        took = ceil(deadline.seconds_gone)
        # one that is started again from time to time, whatever happens in it, is watched for as
        # long as it has taken
        self.must_be_ready(
            for_seconds=took + ceil(allowed(STARTS_DIFFER_SECONDS)),
            within_seconds=max(15.0, deadline.nominal_seconds_left),
        )

    def _must_have_failed_liveness(self, uid: str, before: int) -> None:
        """Anybody can stop a container. That a probe was the reason is what the kubelet says."""

        def look() -> None:
            if self._liveness_failures(uid) <= before:
                raise CheckFailed(
                    f"The container of `{self.name}` was started again, but no liveness probe had"
                    " failed.",
                    "its container started again, because a liveness probe fails.",
                    f"kubectl describe pod {self.name}, and see its liveness probe and its events.",
                )

        eventually(look, EVENT_SECONDS)

    def _liveness_failures(self, uid: str) -> int:
        """How often the kubelet has stopped a container of it because of its liveness probe."""
        return sum(
            int(event.get("count") or 1)
            for event in cluster.objects(self._collection("events"))
            if (event.get("involvedObject") or {}).get("uid") == uid
            and event.get("reason") == "Killing"
            and LIVENESS in str(event.get("message"))
        )

    def must_use(self, source: ConfigMap) -> None:
        """Its containers take something from this ConfigMap or Secret: as an environment variable,
        or as a file.
        """
        kind = type(source).__name__
        if (kind, source.name) not in used_by(self._object()["spec"]):
            what = f"{kind} `{source.name}`"
            raise CheckFailed(
                f"`{self.name}` takes nothing from the {what}.",
                f"an environment variable or a file from the {what}.",
                f"kubectl get pod {self.name} --output=yaml",
            )

    def must_take_commands(self) -> None:
        """A command can be run in it. Anybody who may write a status can write into it what they
        like; a command runs only where a container does.
        """
        done = self.exec("true")
        if done.exit_code != 0 and not NO_PROGRAM.search(done.output):
            words = done.output.strip()
            raise CheckFailed(
                (
                    f"No command can be run in `{self.name}`: {quoted(words)}."
                    if words
                    else (
                        f"The command `true` in `{self.name}` ended with exit code"
                        f" {done.exit_code}, as one does whose container ends."
                    )
                ),
                f"the Pod `{self.name}` running.",
                f"kubectl describe pod {self.name}",
            )


def _restarts(found: Json) -> int:
    statuses = (found.get("status") or {}).get("containerStatuses") or []
    return sum(int(status.get("restartCount") or 0) for status in statuses)


def _own_words(output: str) -> str:
    """What the program printed, without the line in which kubectl repeats its exit code."""
    lines = output.splitlines(keepends=True)
    return "".join(
        line for line in lines if not line.startswith("command terminated with exit code")
    )
