"""PodDisruptionBudgets: how many of the Pods they cover may be evicted now."""

import math
from collections.abc import Iterable

from lab.cluster.controllers import pods
from lab.cluster.controllers.base import Controller
from lab.cluster.controllers.deployment import bound
from lab.cluster.objects import at, condition, key_of, labels_of, new_condition
from lab.cluster.selectors import selects
from lab.cluster.store import Event


class DisruptionBudgets(Controller):
    resource, watches, component = "poddisruptionbudgets.policy", ("pods",), "controllermanager"

    def keys(self, event: Event) -> Iterable[str]:
        return [key_of(budget) for budget in self.client.list(self.resource, event.key[1])]

    def sync(self, namespace: str, name: str) -> float | None:
        budget = self.get(namespace, name)
        if budget is None:
            return None
        covered = [
            pod
            for pod in self.client.list("pods", namespace)
            if selects(at(budget, "spec", "selector"), labels_of(pod)) and pods.is_active(pod)
        ]
        healthy = len([pod for pod in covered if pods.is_ready(pod)])
        expected = len(covered)
        spec = budget["spec"]
        if spec.get("maxUnavailable") is not None:
            desired = expected - bound(spec["maxUnavailable"], expected, up=True)
        else:
            desired = bound(spec.get("minAvailable", 0), expected, up=True)
        allowed = max(0, healthy - math.ceil(max(0, desired)))
        before = condition(budget, "DisruptionAllowed")
        enough = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
        generation = budget["metadata"].get("generation", 1)
        told = new_condition(before, "DisruptionAllowed", *enough, "") | {"observedGeneration": generation}
        self.client.set_status(self.resource, budget, {
            "currentHealthy": healthy, "desiredHealthy": max(0, desired), "expectedPods": expected, "disruptionsAllowed": allowed,
            "observedGeneration": generation, "conditions": [told],
        })  # fmt: skip
        return None
