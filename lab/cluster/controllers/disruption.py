"""PodDisruptionBudgets: how many of the Pods they cover may be evicted now."""

import math
from collections.abc import Iterable

from lab.cluster.controllers import pods
from lab.cluster.controllers.base import Controller
from lab.cluster.controllers.rollout import bound
from lab.cluster.model.objects import at, condition, key_of, labels_of, new_condition
from lab.cluster.model.selectors import selects
from lab.cluster.registry.store import Event, revision_of


class DisruptionBudgets(Controller):
    """Counts how many Pods of a PodDisruptionBudget may be evicted now.

    The eviction subresource reads the count, and takes one off it.
    """

    resource, watches, component = "poddisruptionbudgets.policy", ("pods",), "controllermanager"

    def keys(self, event: Event) -> Iterable[str]:
        """The budgets that cover the Pod, as it is or as it was."""
        labels = [labels_of(obj) for obj in (event.obj, event.before) if obj]
        for budget in self.client.list(self.resource, event.key[1]):
            if any(selects(at(budget, "spec", "selector"), some) for some in labels):
                yield key_of(budget)

    def sync(self, namespace: str, name: str) -> float | None:
        budget = self.get(namespace, name)
        if budget is None:
            return None
        covered = [
            pod
            for pod in self.client.list("pods", namespace)
            if selects(at(budget, "spec", "selector"), labels_of(pod)) and pods.is_active(pod)
        ]
        if not covered:
            self.recorder.normal(budget, "NoPods", "No matching pods found")
        healthy = len([pod for pod in covered if pods.is_ready(pod)])
        expected = len(covered)
        spec = budget.get("spec") or {}
        if spec.get("maxUnavailable") is not None:
            desired = expected - bound(spec["maxUnavailable"], expected, up=True)
        else:
            desired = bound(spec.get("minAvailable", 0), expected, up=True)
        allowed = max(0, healthy - math.ceil(max(0, desired)))
        before = condition(budget, "DisruptionAllowed")
        enough = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
        generation = budget["metadata"].get("generation", 1)
        allowance = new_condition(before, "DisruptionAllowed", *enough, "")
        allowance["observedGeneration"] = generation
        changed = self.client.set_status(
            self.resource,
            budget,
            {
                "currentHealthy": healthy,
                "desiredHealthy": max(0, desired),
                "expectedPods": expected,
                "disruptionsAllowed": allowed,
                "observedGeneration": generation,
                "conditions": [allowance],
            },
        )
        # What it wrote it looks at again, as a real one does: its events say so.
        return None if changed is None or revision_of(changed) == revision_of(budget) else 0.0
