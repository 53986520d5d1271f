"""ReplicaSets and the older ReplicationControllers: as many Pods of a template as they want."""

import time

from lab.cluster.controllers import pods
from lab.cluster.controllers.base import Controller
from lab.cluster.model.errors import APIError
from lab.cluster.model.objects import (
    Obj,
    at,
    condition,
    is_deleting,
    labels_of,
    new_condition,
    nonzero,
)

BURST = 50  # Pods made or deleted in one go: others want their turn


class ReplicaSets(Controller):
    """Keeps as many Pods of a ReplicaSet's template as it wants.

    It adopts Pods that match its selector and have no controller, makes missing ones, and deletes
    the least useful of too many. Deployments work by scaling ReplicaSets.
    """

    resource, watches, component = "replicasets.apps", ("pods",), "replicaset-controller"
    batch_seconds = 0.01

    def sync(self, namespace: str, name: str) -> float | None:
        owner = self.get(namespace, name)
        if owner is None:
            return None
        mine = pods.owned(self.client, owner)
        failure: APIError | None = None
        if not is_deleting(owner):
            try:
                if self._scale(owner, [pod for pod in mine if pods.is_active(pod)]):
                    mine = pods.owned(self.client, owner, adopt=False)
            except APIError as error:
                failure = error
                mine = pods.owned(self.client, owner, adopt=False)
        again = self._report(owner, mine, failure)
        if failure is not None:
            raise failure
        return again

    def _scale(self, owner: Obj, active: list[Obj]) -> bool:
        """Make or delete Pods; whether there was any need."""
        missing: int = at(owner, "spec", "replicas", default=0) - len(active)
        for _ in range(min(missing, BURST)):
            pods.create(
                self.client,
                self.recorder,
                owner,
                pods.from_template(owner, owner["spec"]["template"]),
            )
        if missing < 0:
            for pod in sorted(active, key=pods.deletion_order)[: min(-missing, BURST)]:
                pods.delete(self.client, self.recorder, owner, pod)
        return missing != 0

    def _report(self, owner: Obj, mine: list[Obj], failure: APIError | None) -> float | None:
        active = [pod for pod in mine if pods.is_active(pod)]
        wanted = at(owner, "spec", "template", "metadata", "labels", default={}).items()
        ready = [pod for pod in active if pods.is_ready(pod)]
        seconds = at(owner, "spec", "minReadySeconds", default=0)
        available = [pod for pod in ready if pods.is_available(pod, seconds, time.time())]
        status: Obj = {
            "replicas": len(active),
            "observedGeneration": owner["metadata"].get("generation", 1),
        }
        if owner["kind"] == "ReplicaSet":
            status["terminatingReplicas"] = len([p for p in mine if is_deleting(p)])
        labeled = len([pod for pod in active if wanted <= labels_of(pod).items()])
        status |= nonzero(
            fullyLabeledReplicas=labeled, readyReplicas=len(ready), availableReplicas=len(available)
        )
        if failure is not None:
            before = condition(owner, "ReplicaFailure")
            status["conditions"] = [
                new_condition(before, "ReplicaFailure", "True", "FailedCreate", str(failure))
            ]
        self.client.set_status(self.resource, owner, status)
        return float(seconds) if len(available) < len(ready) else None


class ReplicationControllers(ReplicaSets):
    """The same for ReplicationControllers, which came first."""

    resource, component = "replicationcontrollers", "replication-controller"
