"""DaemonSets: one Pod on each node that suits it."""

import time

from lab.cluster.controllers import pods
from lab.cluster.controllers.base import Controller
from lab.cluster.controllers.revisions import current_revision
from lab.cluster.controllers.rollout import bound
from lab.cluster.model.objects import (
    Obj,
    annotations_of,
    at,
    is_deleting,
    labels_of,
    name_of,
    nonzero,
)
from lab.cluster.registry.defaults import TEMPLATE_GENERATION
from lab.cluster.registry.store import Event
from lab.cluster.scheduler.fit import node_suits

HASH = "controller-revision-hash"
TOLERATED = "not-ready unreachable disk-pressure memory-pressure pid-pressure unschedulable".split()


class DaemonSets(Controller):
    """Keeps one Pod of a DaemonSet on each node that suits it.

    The Pods are bound to their nodes by the scheduler, through an affinity to the node's name. Left
    out: ``maxSurge``.
    """

    resource, watches, component = "daemonsets.apps", ("pods", "nodes"), "daemonset-controller"

    def on(self, event: Event) -> None:
        super().on(event)
        if event.key[0] == "nodes":
            self.enqueue_all()

    def sync(self, namespace: str, name: str) -> float | None:
        owner = self.get(namespace, name)
        if owner is None:
            return None
        digest = labels_of(current_revision(self.client, owner, HASH))[HASH]
        mine = pods.owned(self.client, owner)
        wanted: list[str] = []
        if not is_deleting(owner):
            for node in self.client.list("nodes"):
                self._sync_node(
                    owner, node, [p for p in mine if _node(p) == name_of(node)], digest, wanted
                )
            self._replace_outdated(owner, wanted, digest)
        self._report(owner, pods.owned(self.client, owner, adopt=False), wanted, digest)
        return None

    def _sync_node(
        self, owner: Obj, node: Obj, on_node: list[Obj], digest: str, wanted: list[str]
    ) -> None:
        template = self._pod(owner, node, digest)
        suits = not node_suits(template, node)
        stays = not node_suits(template, node, effects=("NoExecute",))
        if suits:
            wanted.append(name_of(node))
        for pod in on_node:
            failed = at(pod, "status", "phase") in ("Succeeded", "Failed")
            if not is_deleting(pod) and (failed or not stays):
                pods.delete(self.client, self.recorder, owner, pod)
        if suits and not on_node:
            pods.create(self.client, self.recorder, owner, template)

    def _replace_outdated(self, owner: Obj, wanted: list[str], digest: str) -> None:
        """Delete Pods of an older template: first what is not available anyway, and of the others
        as many as may be missing at a time.
        """
        strategy = at(owner, "spec", "updateStrategy", default={})
        if strategy.get("type") != "RollingUpdate":
            return
        mine = [p for p in pods.owned(self.client, owner, adopt=False) if not is_deleting(p)]
        outdated = [p for p in mine if labels_of(p).get(HASH) != digest]
        serving = {_node(p) for p in mine if _is_available(owner, p)}
        most = bound(
            at(strategy, "rollingUpdate", "maxUnavailable", default=1), len(wanted), up=True
        )
        left = max(1, most) - len(set(wanted) - serving)
        for pod in outdated:
            if _node(pod) in serving:
                if left <= 0:
                    continue
                left -= 1
            pods.delete(self.client, self.recorder, owner, pod)

    def _pod(self, owner: Obj, node: Obj, digest: str) -> Obj:
        pod = pods.from_template(owner, owner["spec"]["template"])
        pod["metadata"]["labels"] = {
            **pod["metadata"]["labels"],
            HASH: digest,
            "pod-template-generation": annotations_of(owner).get(TEMPLATE_GENERATION, "1"),
        }
        term = {
            "matchFields": [{"key": "metadata.name", "operator": "In", "values": [name_of(node)]}]
        }
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
        pod["spec"].setdefault("affinity", {})["nodeAffinity"] = required
        beyond = ("network-unavailable",) if pod["spec"].get("hostNetwork") else ()
        for reason in (*TOLERATED, *beyond):
            effect = "NoExecute" if reason in ("not-ready", "unreachable") else "NoSchedule"
            pod["spec"].setdefault("tolerations", []).append(
                {"key": f"node.kubernetes.io/{reason}", "operator": "Exists", "effect": effect}
            )
        return pod

    def _report(self, owner: Obj, mine: list[Obj], wanted: list[str], digest: str) -> None:
        current = [p for p in mine if _node(p) in wanted and not is_deleting(p)]
        ready = [p for p in current if pods.is_ready(p)]
        available = [p for p in ready if _is_available(owner, p)]
        status: Obj = {
            "currentNumberScheduled": len(current),
            "desiredNumberScheduled": len(wanted),
            "numberReady": len(ready),
            "numberMisscheduled": len({_node(p) for p in mine} - set(wanted)),
            "observedGeneration": owner["metadata"].get("generation", 1),
        }
        status |= nonzero(
            updatedNumberScheduled=len([p for p in current if labels_of(p).get(HASH) == digest]),
            numberAvailable=len(available),
            numberUnavailable=len(wanted) - len(available),
        )
        self.client.set_status(self.resource, owner, status)


def _is_available(owner: Obj, pod: Obj) -> bool:
    return pods.is_available(pod, at(owner, "spec", "minReadySeconds", default=0), time.time())


def _node(pod: Obj) -> str:
    terms = at(
        pod,
        "spec",
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "nodeSelectorTerms",
        default=[],
    )
    wanted = [f["values"][0] for t in terms for f in t.get("matchFields") or []]
    return str(at(pod, "spec", "nodeName") or (wanted[0] if wanted else ""))
