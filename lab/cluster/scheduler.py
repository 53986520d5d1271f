"""The scheduler: finds a node for each Pod that has none, or says why none will do."""

import asyncio
import logging
from decimal import Decimal

from lab.cluster import quantity
from lab.cluster.client import Client
from lab.cluster.events import Recorder
from lab.cluster.objects import Obj, at, condition, is_deleting, labels_of, name_of, namespace_of, now
from lab.cluster.selectors import Requirement, matches
from lab.cluster.store import Event
from lab.cluster.subresources import bind

LOG = logging.getLogger("scheduler")
NAME = "default-scheduler"
RELEVANT = ("nodes", "persistentvolumeclaims", "persistentvolumes")


def tolerates(pod: Obj, taint: Obj) -> bool:
    for toleration in at(pod, "spec", "tolerations", default=[]):
        if toleration.get("effect") not in (None, "", taint["effect"]):
            continue
        if toleration.get("operator", "Equal") == "Exists":
            if toleration.get("key") in (None, "", taint["key"]):
                return True
        elif toleration.get("key") == taint["key"] and (toleration.get("value") or "") == (taint.get("value") or ""):
            return True
    return False


def _term_matches(term: Obj, node: Obj) -> bool:
    expressions = [
        Requirement(e["key"], e["operator"], tuple(e.get("values") or ())) for e in term.get("matchExpressions") or []
    ]
    fields = [Requirement(e["key"], e["operator"], tuple(e.get("values") or ())) for e in term.get("matchFields") or []]
    return matches(expressions, labels_of(node)) and matches(fields, {"metadata.name": name_of(node)})


def node_suits(pod: Obj, node: Obj) -> str:
    """Why a Pod may not be on a node, apart from room; empty when it may."""
    if at(node, "spec", "unschedulable") and not tolerates(
        pod, {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    ):
        return "node(s) were unschedulable"
    if at(pod, "spec", "nodeName") not in (None, "", name_of(node)):
        return "node(s) didn't match the requested node name"
    for taint in at(node, "spec", "taints", default=[]):
        if (
            taint["effect"] in ("NoSchedule", "NoExecute")
            and taint["key"] != "node.kubernetes.io/unschedulable"
            and not tolerates(pod, taint)
        ):
            return "node(s) had untolerated taint(s)"
    selector = at(pod, "spec", "nodeSelector", default={})
    required = at(pod, "spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    unmet = not selector.items() <= labels_of(node).items()
    if unmet or (required and not any(_term_matches(term, node) for term in required["nodeSelectorTerms"])):
        return "node(s) didn't match Pod's node affinity/selector"
    return ""


def requests(pod: Obj) -> dict[str, Decimal]:
    """What a Pod asks of a node: the sum of its containers, or its largest init container."""
    total: dict[str, Decimal] = {"pods": Decimal(1)}
    for container in pod["spec"]["containers"]:
        for name, amount in at(container, "resources", "requests", default={}).items():
            total[name] = total.get(name, Decimal(0)) + quantity.parse(amount)
    for container in pod["spec"].get("initContainers") or []:
        for name, amount in at(container, "resources", "requests", default={}).items():
            total[name] = max(total.get(name, Decimal(0)), quantity.parse(amount))
    return total


class Scheduler:
    def __init__(self, client: Client, host: str) -> None:
        self.client = client
        self.recorder = Recorder(client, NAME, host)
        self._waiting: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Schedule what comes, and look again at what waits when something changes that may help. Until cancelled."""
        with self.client.registry.store.watch() as watching:
            for pod in self.client.list("pods"):
                self._try(pod)
            async for event in watching:
                self._on(event)
                await asyncio.sleep(0)

    def _on(self, event: Event) -> None:
        resource, namespace, name = event.key
        if resource == "pods":
            if event.kind == "DELETED" or at(event.obj, "status", "phase") in ("Succeeded", "Failed"):
                self._waiting.discard((namespace, name))
                self._retry()
            elif event.kind == "ADDED":
                self._try(event.obj)
        elif resource in RELEVANT and not (resource == "nodes" and self._only_status(event)):
            self._retry()

    def _only_status(self, event: Event) -> bool:
        before = event.before
        return (
            before is not None
            and before["spec"] == event.obj["spec"]
            and labels_of(before) == labels_of(event.obj)
            and at(before, "status", "allocatable") == at(event.obj, "status", "allocatable")
        )

    def _retry(self) -> None:
        for namespace, name in sorted(self._waiting):
            pod = self.client.get("pods", namespace, name)
            if pod is None:
                self._waiting.discard((namespace, name))
            else:
                self._try(pod)

    def _try(self, pod: Obj) -> None:
        """Bind the Pod to a node, or note why not."""
        if (
            at(pod, "spec", "nodeName")
            or is_deleting(pod)
            or pod["spec"].get("schedulerName") != NAME
            or pod["spec"].get("schedulingGates")
        ):
            return
        try:
            self._schedule(pod)
        except Exception:
            LOG.exception("pod %s", name_of(pod))

    def _schedule(self, pod: Obj) -> None:
        nodes = self.client.list("nodes")
        why = self._volumes(pod)
        if why:
            self._fail(pod, f"0/{len(nodes)} nodes are available: {why}. not found")
            return
        reasons: dict[str, int] = {}
        for node in nodes:
            missing = [node_suits(pod, node)] if node_suits(pod, node) else self._room(pod, node)
            if not missing:
                bind(self.client.registry, pod, name_of(node))
                self._waiting.discard((namespace_of(pod), name_of(pod)))
                message = f"Successfully assigned {namespace_of(pod)}/{name_of(pod)} to {name_of(node)}"
                self.recorder.scheduled(pod, "Normal", "Scheduled", "Binding", message)
                return
            for reason in missing:
                reasons[reason] = reasons.get(reason, 0) + 1
        total = len(nodes)
        if not nodes:
            self._fail(pod, "no nodes available to schedule pods")
            return
        listed = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        preemption = f"preemption: 0/{total} nodes are available: {total} Preemption is not helpful for scheduling."
        self._fail(pod, f"0/{total} nodes are available: {listed}. no new claims to deallocate, {preemption}")

    def _volumes(self, pod: Obj) -> str:
        """Why the Pod's claims keep it from any node."""
        for volume in at(pod, "spec", "volumes", default=[]):
            name = at(volume, "persistentVolumeClaim", "claimName")
            if not name:
                continue
            claim = self.client.get("persistentvolumeclaims", namespace_of(pod), name)
            if claim is None:
                return f'persistentvolumeclaim "{name}" not found'
            if at(claim, "status", "phase") != "Bound":
                return "pod has unbound immediate PersistentVolumeClaims"
        return ""

    def _room(self, pod: Obj, node: Obj) -> list[str]:
        """What the node has too little of."""
        there = [
            p
            for p in self.client.list("pods")
            if at(p, "spec", "nodeName") == name_of(node) and at(p, "status", "phase") not in ("Succeeded", "Failed")
        ]
        missing = []
        for name, amount in requests(pod).items():
            has = quantity.parse(at(node, "status", "allocatable", name, default=0))
            used = sum((requests(other).get(name, Decimal(0)) for other in there), Decimal(0))
            if used + amount > has:
                missing.append("Too many pods" if name == "pods" else f"Insufficient {name}")
        return missing + self._ports_taken(pod, there)

    def _ports_taken(self, pod: Obj, there: list[Obj]) -> list[str]:
        def ports(one: Obj) -> set[tuple[int, str]]:
            return {
                (p["hostPort"], p.get("protocol", "TCP"))
                for c in one["spec"]["containers"]
                for p in c.get("ports") or []
                if p.get("hostPort")
            }

        wanted = ports(pod)
        taken = any(wanted & ports(other) for other in there) if wanted else False
        return ["node(s) didn't have free ports for the requested pod ports"] if taken else []

    def _fail(self, pod: Obj, message: str) -> None:
        self._waiting.add((namespace_of(pod), name_of(pod)))
        known = condition(pod, "PodScheduled")
        self.recorder.scheduled(pod, "Warning", "FailedScheduling", "Scheduling", message)
        if known and known.get("message") == message:
            return

        def edit(fresh: Obj) -> None:
            since = known["lastTransitionTime"] if known else now()
            unscheduled = {
                "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message, "lastProbeTime": None,
                "lastTransitionTime": since, "observedGeneration": fresh["metadata"].get("generation", 1),
            }  # fmt: skip
            kept = [c for c in at(fresh, "status", "conditions", default=[]) if c["type"] != "PodScheduled"]
            fresh.setdefault("status", {})["conditions"] = [*kept, unscheduled]

        self.client.change("pods", pod, edit, status=True)
