"""`deployment("web")`: what must hold of a Deployment, of its ReplicaSets and of its Pods."""

from __future__ import annotations

from grader.checks import cluster, trial_pods
from grader.checks.cluster import ClusterRefusedError, Json
from grader.checks.cluster_objects import ClusterObject, owned_by
from grader.checks.deadline import Deadline, eventually, steadily
from grader.checks.pod_state import how_to_set_image, images, other_image, runs_image, trouble
from grader.checks.pods import Pod
from grader.checks.services import Service
from grader.checks.verdict import CheckFailed, quoted

TEMPLATE_HASH = "pod-template-hash"  # the label that a ReplicaSet's copy of the template has more
# a Pod that is trusted too early is asked only when the last old one has gone
AFTERMATH_SECONDS = 6.0
REQUESTS_BETWEEN_LOOKS = 4


def deployment(name: str) -> Deployment:
    """A Deployment by its name; asks the cluster nothing yet. Checks of its existence and labels
    are those of `pod`.

    >>> deployment("web")
    deployment('web')
    """
    return Deployment(name)


class Deployment(ClusterObject):
    """A Deployment: facts as properties, `must_*` raise `CheckFailed` when they do not hold.

    Its Pods are those that its ReplicaSets own. A Pod that only carries the same labels is none of
    them.
    """

    _kind, _plural, _api = "Deployment", "deployments", "/apis/apps/v1"
    _made_by = "kubectl create deployment {} --image=IMAGE"

    @property
    def replicas(self) -> int:
        """How many Pods it wants."""
        return int(self._object()["spec"]["replicas"])

    @property
    def images(self) -> list[str]:
        """The images of its Pod template's containers."""
        return images(self._object()["spec"]["template"])

    @property
    def pods(self) -> list[Pod]:
        """Its Pods, of all versions, without those that are being deleted."""
        return [Pod(one["metadata"]["name"]) for one in self._pods(self._sets(self._object()))]

    @property
    def versions(self) -> int:
        """How many ReplicaSets it keeps: one for each version of its Pod template."""
        return len(self._sets(self._object()))

    def must_be_rolled_out(self, *, within_seconds: float = 30) -> None:
        """All Pods that it wants are there, ready, and of its present template, and no older ones
        are left.
        """

        def look() -> None:
            self._must_be_rolled_out_now()
            for one in (
                self.pods
            ):  # a container that ends at once is ready for a moment each time it is started
                one.must_take_commands()

        self.must_exist()
        eventually(look, within_seconds)

    def must_have_replicas(self, replicas: int, *, within_seconds: float = 30) -> None:
        """It wants this many Pods, and all of them are ready."""

        def look() -> None:
            if self.replicas != replicas:
                raise CheckFailed(
                    f"`{self.name}` wants {_counted(self.replicas)}.",
                    f"{_counted(replicas)}.",
                    f"kubectl scale {self._slashed} --replicas={replicas}",
                )

        look()
        self.must_be_rolled_out(within_seconds=within_seconds)

    def must_run_image(self, ref: str) -> None:
        """Its Pods were made from this image. Any name of the same image counts; another image
        under its name does not.
        """
        found = self._object()
        made = self._pods(self._sets(found))
        template = found["spec"]["template"]
        first = template["spec"]["containers"][0]["name"]
        if not made:
            raise CheckFailed(
                f"`{self.name}` has no Pods.",
                f"Pods made from {quoted(ref)}.",
                f"kubectl describe {self._typed}",
            )
        if not all(runs_image(one, ref) for one in made):
            raise CheckFailed(
                other_image(f"The Pods of `{self.name}` run", images(template), ref),
                f"Pods made from {quoted(ref)}.",
                how_to_set_image(self._slashed, first, images(template), ref),
            )

    def must_replace_deleted_pod(self, *, within_seconds: float = 30) -> None:
        """A Pod of it that is deleted is replaced by another one, which becomes ready."""
        self.must_be_rolled_out(within_seconds=within_seconds)
        if not self.pods:
            raise CheckFailed(
                f"`{self.name}` wants no Pods.",
                "at least one.",
                f"kubectl scale {self._slashed} --replicas=1",
            )
        victim = self.pods[0].name
        self._do("delete", "pod", victim, "--now", "--wait=false", expected=f"`{victim}` deleted.")
        # one that is being deleted counts no longer
        self.must_be_rolled_out(within_seconds=within_seconds)

    def must_restart(self, *, within_seconds: float = 30) -> None:
        """All its Pods are replaced by new ones of the same template, as `kubectl rollout restart`
        does, and these become ready.
        """
        self._do("rollout", "restart", self._slashed, expected=f"`{self.name}` restarted.")
        self.must_be_rolled_out(within_seconds=within_seconds)

    def must_undo(self, *, within_seconds: float = 30) -> None:
        """It goes back to the version before the present one, as `kubectl rollout undo` does, and
        the Pods of that become ready.
        """
        self._do(
            "rollout", "undo", self._slashed, expected=f"`{self.name}` back at the version before."
        )
        self.must_be_rolled_out(within_seconds=within_seconds)

    def must_restart_without_a_gap(
        self, through: Service, path: str = "/", *, within_seconds: float = 30
    ) -> None:
        """While all its Pods are replaced one after the other, every request through the Service is
        answered.
        """
        self.must_be_rolled_out(within_seconds=within_seconds)
        through.must_answer(path)
        self._must_be_all_behind(through)
        self._do("rollout", "restart", self._slashed, expected=f"`{self.name}` restarted.")
        deadline, asked = Deadline(within_seconds), 0
        lost: list[str] = []
        after: Deadline | None = None
        while after is None or not after.passed:
            replies = [through.ask(path) for _ in range(REQUESTS_BETWEEN_LOOKS)]
            asked, lost = (
                asked + len(replies),
                lost + [reply.words for reply in replies if not reply.answered],
            )
            if after is None:
                after = self._aftermath(deadline)
        if lost:
            raise CheckFailed(
                f"While the Pods of `{self.name}` were replaced, {len(lost)} of {asked} requests to"
                f" `{through.name}` got no answer; the first one: {lost[0]}.",
                "an answer to every request: a new Pod gets requests when it can answer them, and"
                " an old one goes after that.",
                "kubectl get pods --watch, and in another terminal kubectl rollout restart"
                f" {self._slashed}",
            )
        self._must_be_all_behind(through)

    def must_not_be_ready_with(self, command: str, *, for_seconds: float = 15) -> None:
        """A Pod like its own, whose first container runs this line of `sh` in place of its program,
        does not become ready: a readiness probe sees what is missing. The check makes such a Pod,
        outside of all Services and without liveness probes, and removes it.
        """
        self.must_exist()

        def look() -> None:
            if Pod(name).ready:
                raise CheckFailed(
                    f"A Pod like those of `{self.name}` became ready while {quoted(command)} ran in"
                    " it.",
                    "a readiness probe that fails as long as the program cannot do its work.",
                    f"kubectl describe {self._typed}, and see what its readiness probe asks.",
                )

        spec = _running(self._object()["spec"]["template"]["spec"], command)
        with trial_pods.running(self._namespace, {}, spec) as (name, _):
            trial_pods.must_begin(self._namespace, name)
            steadily(look, for_seconds)

    def _must_be_all_behind(self, through: Service) -> None:
        """Its Pods, and no others, are behind the Service: another one that answers in their place
        has no gap.
        """
        behind = set(through.pods)
        other = behind ^ {one.name for one in self.pods}
        if other:
            name = min(other)
            raise CheckFailed(
                (
                    f"`{name}` is behind the Service `{through.name}`, and no Pod of `{self.name}`."
                    if name in behind
                    else (
                        f"`{name}`, a Pod of `{self.name}`, is not behind the Service"
                        f" `{through.name}`."
                    )
                ),
                f"the Pods of `{self.name}` behind `{through.name}`, and no others.",
                "kubectl get pods --show-labels, and compare with kubectl describe service "
                + through.name,
            )

    def _aftermath(self, deadline: Deadline) -> Deadline | None:
        """How long to go on asking, once the rollout is complete; `CheckFailed` when it is not in
        time.
        """
        try:
            self._must_be_rolled_out_now()
        except CheckFailed:
            if deadline.passed and not deadline.extended():
                raise
            return None
        return Deadline(AFTERMATH_SECONDS)

    def _sets(self, found: Json) -> list[Json]:
        """Its ReplicaSets."""
        all_of_them = cluster.objects(self._collection("replicasets"))
        return [one for one in all_of_them if owned_by(one, {found["metadata"]["uid"]})]

    def _pods(self, sets: list[Json]) -> list[Json]:
        """The Pods of these ReplicaSets that stay."""
        uids = {one["metadata"]["uid"] for one in sets}
        all_of_them = cluster.objects(self._collection("pods", "/api/v1"))
        return [
            one
            for one in all_of_them
            if owned_by(one, uids) and not one["metadata"].get("deletionTimestamp")
        ]

    def _must_be_rolled_out_now(self) -> None:
        found = self._object()
        sets, wanted = self._sets(found), int(found["spec"]["replicas"])
        current = [one for one in sets if _template(one) == _template(found)]
        new, all_of_them = self._pods(current), self._pods(sets)
        troubles = [said for one in new if (said := trouble(one))]
        ready, old = len(new) - len(troubles), len(all_of_them) - len(new)
        if (ready, len(new), old) == (wanted, wanted, 0) and current:
            return
        left = f", and {old} of an older version {'is' if old == 1 else 'are'} left" if old else ""
        paused = f" `{self.name}` is paused." if found["spec"].get("paused") else ""
        why, hint = (
            troubles[0]
            if troubles
            else ("", f"kubectl rollout {'resume' if paused else 'status'} {self._slashed}")
        )
        raise CheckFailed(
            f"`{self.name}` wants {_counted(wanted)}, and has {ready} that"
            f" {'is' if ready == 1 else 'are'} up to date and ready{left}.{paused} {why}".rstrip(),
            "all of them up to date and ready, and no others.",
            hint,
        )

    def _do(self, *arguments: str, expected: str) -> None:
        """A command of kubectl, which the cluster may refuse because of what the Deployment is."""
        self.must_exist()
        try:
            cluster.answer(*arguments, f"--namespace={self._namespace}")
        except ClusterRefusedError as said:
            raise CheckFailed(
                f"`kubectl {' '.join(arguments)}` was refused: {said}.",
                expected,
                f"kubectl rollout history {self._slashed}",
            ) from None


def _counted(pods: int) -> str:
    return f"{pods} Pod" if pods == 1 else f"{pods} Pods"


def _running(spec: Json, command: str) -> Json:
    """A Pod's spec in which the first container runs this, and no container is ended by a probe."""
    containers = [
        {key: value for key, value in one.items() if key != "livenessProbe"}
        for one in spec["containers"]
    ]
    containers[0] = {**containers[0], "command": ["sh", "-c", command], "args": []}
    return {**spec, "containers": containers}


def _template(one: Json) -> Json:
    """Its Pod template, without the label that tells the versions apart."""
    template = one["spec"]["template"]
    metadata = dict(template.get("metadata") or {})
    labels = {
        key: value for key, value in (metadata.get("labels") or {}).items() if key != TEMPLATE_HASH
    }
    return {**template, "metadata": {**metadata, "labels": labels}}
