"""The node lifecycle controller: a node that is silent is NotReady, and its taints say so."""

import time
from collections.abc import Iterable

from lab.cluster.controllers.base import Controller
from lab.cluster.controllers.pods import is_ready
from lab.cluster.model.objects import Obj, at, condition, name_of, new_condition, now
from lab.cluster.registry.client import Client
from lab.cluster.registry.store import Event

# As in Kubernetes since 1.32: --node-monitor-grace-period.
GRACE_SECONDS = 50.0
LOOKS = 10  # in a grace period; a real controller looks every 5 seconds
LEASES, LEASE_NAMESPACE = "leases.coordination.k8s.io", "kube-node-lease"
NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
CORDONED = "node.kubernetes.io/unschedulable"
OURS = (NOT_READY, UNREACHABLE, CORDONED)
CONDITIONS = ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
SILENT = "Kubelet stopped posting node status."


class NodeLifecycle(Controller):
    """Watches the heartbeats of nodes, and taints the nodes whose Pods have to go.

    A node that has not renewed its lease for ``grace_seconds`` gets the status Unknown and the
    taints of an unreachable node; its Pods are not ready from then on, so Services leave them out.
    ``TaintEviction`` deletes them when they do not tolerate that any more. A node that was cordoned
    gets a taint as well. Left out: zones, and the limit on the rate of evictions.
    """

    resource, component = "nodes", "node-controller"

    def __init__(self, client: Client, grace_seconds: float = GRACE_SECONDS) -> None:
        super().__init__(client)
        self.grace_seconds, self._period = grace_seconds, grace_seconds / LOOKS
        # Of each node: its last sign of life, for how long that has been the last, the last look.
        self._silent: dict[str, tuple[str, float, float]] = {}

    def on(self, event: Event) -> None:
        """A node's status counts, too; a Pod that comes to a node may find it unreachable."""
        if event.key[0] == "nodes":
            self.enqueue(event.key[2])

    def sync(self, namespace: str, name: str) -> float | None:
        node = self.get(namespace, name)
        if node is None:
            self._silent.pop(name, None)
            return None
        silent = self._silence(node)
        ready = condition(node, "Ready")
        if ready is not None and ready["status"] != "Unknown" and silent >= self.grace_seconds:
            self._lost(node)
        node = self.get(namespace, name) or node
        self._taint(node)
        if not _is_ready(node):
            self._unready_pods(name)
        return self._period

    def _silence(self, node: Obj) -> float:
        """For how many seconds the node has given no sign of life.

        The time in which this process did not look does not count: nor could the node be heard.
        """
        lease = self.client.get(LEASES, LEASE_NAMESPACE, name_of(node))
        posted = at(condition(node, "Ready"), "lastHeartbeatTime", default="")
        sign = f"{at(lease, 'spec', 'renewTime', default='')} {posted}"
        moment = time.monotonic()
        before, silent, looked = self._silent.get(name_of(node), (sign, 0.0, moment))
        silent = silent + min(moment - looked, 2 * self._period) if before == sign else 0.0
        self._silent[name_of(node)] = sign, silent, moment
        return silent

    def _lost(self, node: Obj) -> None:
        """Nobody knows how the node is."""

        def edit(fresh: Obj) -> None:
            fresh["status"]["conditions"] = [
                one | new_condition(one, one["type"], "Unknown", "NodeStatusUnknown", SILENT)
                if one["type"] in CONDITIONS
                else one
                for one in fresh["status"]["conditions"]
            ]

        self.client.change("nodes", node, edit, status=True)
        self.recorder.normal(
            node, "NodeNotReady", f"Node {name_of(node)} status is now: NodeNotReady"
        )

    def _taint(self, node: Obj) -> None:
        """Give the node the taints that its condition calls for, and no other of these."""
        taints: list[Obj] = at(node, "spec", "taints", default=[])
        wanted = list(_wanted(node))
        kept = [t for t in taints if t["key"] not in OURS or _kind(t) in wanted]
        missing = [kind for kind in wanted if kind not in map(_kind, kept)]
        if kept == taints and not missing:
            return
        added = [{"key": k, "effect": effect, "timeAdded": now()} for k, effect in missing]

        def edit(fresh: Obj) -> None:
            fresh["spec"] = (fresh.get("spec") or {}) | {"taints": [*kept, *added]}

        self.client.change("nodes", node, edit)

    def _unready_pods(self, name: str) -> None:
        """Mark the node's Pods as not ready: what sends requests to them has to stop."""
        for pod in self.client.list("pods"):
            if at(pod, "spec", "nodeName") == name and is_ready(pod):
                self.client.change("pods", pod, _unready, status=True)
                self.recorder.warning(pod, "NodeNotReady", "Node is not ready")


def _is_ready(node: Obj) -> bool:
    """Whether the node is ready, or has not said anything about that."""
    ready = condition(node, "Ready")
    return ready is None or ready["status"] == "True"


def _unready(pod: Obj) -> None:
    ready = condition(pod, "Ready")
    if ready is not None:
        ready |= {"status": "False", "lastTransitionTime": now()}


def _wanted(node: Obj) -> Iterable[tuple[str, str]]:
    """Key and effect of the taints that the node's state calls for."""
    if at(node, "spec", "unschedulable"):
        yield CORDONED, "NoSchedule"
    if not _is_ready(node):
        unknown = at(condition(node, "Ready"), "status") == "Unknown"
        key = UNREACHABLE if unknown else NOT_READY
        yield from ((key, "NoSchedule"), (key, "NoExecute"))


def _kind(taint: Obj) -> tuple[str, str]:
    return taint["key"], taint["effect"]
