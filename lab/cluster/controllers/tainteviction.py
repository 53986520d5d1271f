"""Taint eviction: a Pod has to go when it does not, or no longer, tolerate a taint of its node."""

import time

from lab.cluster.controllers.base import Controller
from lab.cluster.model.objects import Obj, at, is_deleting, key_of, name_of, uid_of
from lab.cluster.registry.client import Client
from lab.cluster.registry.store import Event
from lab.cluster.scheduler.fit import toleration_of


class TaintEviction(Controller):
    """Deletes Pods that do not tolerate a NoExecute taint of their node, when their time is up.

    It keeps in memory since when each Pod has met each taint; a start of the cluster counts again.
    """

    resource, component = "pods", "taint-eviction-controller"

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        # When each Pod was first seen with each taint.
        self._since: dict[tuple[str, str], float] = {}

    def on(self, event: Event) -> None:
        """A taint came or went, or a Pod came to a node."""
        before = event.before or {}
        if event.key[0] == "nodes" and _taints(event.obj) != _taints(before):
            gone = {taint["key"] for taint in _taints(before)} - {
                taint["key"] for taint in _taints(event.obj)
            }
            for pod in self.client.list("pods"):
                if at(pod, "spec", "nodeName") == event.key[2]:
                    for key in gone:
                        self._since.pop((uid_of(pod), key), None)
                    self.enqueue(key_of(pod))
        elif event.key[0] == "pods" and event.kind == "DELETED":
            for taint in [key for key in self._since if key[0] == uid_of(event.obj)]:
                del self._since[taint]
        elif event.key[0] == "pods" and at(event.obj, "spec", "nodeName") != at(
            before, "spec", "nodeName"
        ):
            self.enqueue(key_of(event.obj))

    def sync(self, namespace: str, name: str) -> float | None:
        pod = self.get(namespace, name)
        node = self.client.get("nodes", "", at(pod, "spec", "nodeName", default=""))
        if pod is None or node is None or is_deleting(pod):
            return None
        left = [self._left(pod, taint) for taint in _taints(node)]
        soonest = min((seconds for seconds in left if seconds is not None), default=None)
        if soonest is not None and soonest <= 0:
            self.recorder.normal(
                pod, "TaintManagerEviction", f"Marking for deletion Pod {namespace}/{name_of(pod)}"
            )
            self.client.delete("pods", pod)
            return None
        return soonest

    def _left(self, pod: Obj, taint: Obj) -> float | None:
        """Seconds for which the Pod still tolerates the taint; None: for ever."""
        toleration = toleration_of(pod, taint)
        if toleration is None:
            return 0.0
        limit = toleration.get("tolerationSeconds")
        since = self._since.setdefault((uid_of(pod), taint["key"]), time.monotonic())
        return None if limit is None else max(0.0, since + limit - time.monotonic())


def _taints(node: Obj) -> list[Obj]:
    return [
        taint for taint in at(node, "spec", "taints", default=[]) if taint["effect"] == "NoExecute"
    ]
