"""The scheduler: finds a node for each Pod that has none, or says why none will do."""

import asyncio
import logging
from collections import Counter
from decimal import Decimal

from lab.cluster.model import quantity
from lab.cluster.model.objects import (
    Obj,
    at,
    condition,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    now,
)
from lab.cluster.registry import claims
from lab.cluster.registry.binding import bind
from lab.cluster.registry.client import Client
from lab.cluster.registry.events import Recorder
from lab.cluster.registry.store import Event
from lab.cluster.scheduler import affinity, spread
from lab.cluster.scheduler.fit import node_suits, requests, selector_matches
from lab.cluster.scheduler.scoring import best

LOG = logging.getLogger("scheduler")
NAME = "default-scheduler"
HELPLESS = "Preemption is not helpful for scheduling."
NO_VOLUME = "node(s) didn't find available persistent volumes to bind"
OTHER_VOLUME = "node(s) had volume node affinity conflict"
NO_VICTIMS = "No preemption victims found for incoming pod."
RELEVANT = ("nodes", "persistentvolumeclaims", "persistentvolumes")


def _listed(counted: "Counter[str]") -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counted.items()))


class Scheduler:
    """Finds a node for each Pod that has none: the best of those that nothing keeps it from.

    For each node it collects what is in the way (taints, selectors, room, volumes, other Pods).
    Among the nodes without any it binds the Pod to the one with the highest score; if there is no
    such node, it writes the reasons into an Event and tries again when something changes that may
    help. Left out: preemption. ``Cluster`` starts it.
    """

    def __init__(self, client: Client, host: str) -> None:
        self.client = client
        self.recorder = Recorder(client, NAME, host)
        self._waiting: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Schedule what comes, and what waits again when something changes. Until cancelled."""
        with self.client.registry.store.watch() as watching:
            for pod in self.client.list("pods"):
                self._try(pod)
            async for event in watching:
                self._on(event)
                await asyncio.sleep(0)

    def _on(self, event: Event) -> None:
        resource, namespace, name = event.key
        if resource == "pods":
            if event.kind == "DELETED" or at(event.obj, "status", "phase") in (
                "Succeeded",
                "Failed",
            ):
                self._waiting.discard((namespace, name))
                self._retry()
            elif event.kind == "ADDED":
                self._try(event.obj)
            elif at(event.obj, "spec", "nodeName") and not at(event.before, "spec", "nodeName"):
                self._retry(near=True)
        elif resource in RELEVANT and not (resource == "nodes" and self._only_status(event)):
            self._retry()

    def _only_status(self, event: Event) -> bool:
        before = event.before
        return (
            before is not None
            and before.get("spec") == event.obj.get("spec")
            and labels_of(before) == labels_of(event.obj)
            and at(before, "status", "allocatable") == at(event.obj, "status", "allocatable")
        )

    def _retry(self, *, near: bool = False) -> None:
        """Try those that wait again; with ``near`` those that look at where other Pods are."""
        for namespace, name in sorted(self._waiting):
            pod = self.client.get("pods", namespace, name)
            if pod is None:
                self._waiting.discard((namespace, name))
            elif not near or affinity.terms(pod, "podAffinity") or spread.required(pod):
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
        reasons: Counter[str] = Counter()
        preemption: Counter[str] = Counter()
        placed = self._placed(nodes)
        suitable = []
        for node in nodes:
            missing, could = self._missing(pod, node, nodes, placed)
            if not missing:
                suitable.append(node)
                continue
            reasons.update(missing)
            preemption[NO_VICTIMS if could else HELPLESS] += 1
        if suitable:
            self._place(pod, best(pod, suitable, placed))
            return
        if not nodes:
            self._fail(pod, "no nodes available to schedule pods")
            return
        none = f"0/{len(nodes)} nodes are available: "
        self._fail(
            pod,
            f"{none}{_listed(reasons)}. no new claims to deallocate, preemption:"
            f" {none}{_listed(preemption)}",
        )

    def _missing(
        self, pod: Obj, node: Obj, nodes: list[Obj], placed: list[tuple[Obj, Obj]]
    ) -> tuple[list[str], bool]:
        """What keeps the Pod from a node, and whether removing other Pods would help."""
        if why := node_suits(pod, node):
            return [why], False
        missing, could = self._room(pod, node, [p for p, where in placed if where is node])
        if missing:
            return missing, could
        if not all(claims.will_be_bound(self.client, claim) for claim in self._unbound(pod)):
            return [NO_VOLUME], False
        fixed = claims.affinities_of(self.client, self._claims(pod))
        if not all(selector_matches(selector, node) for selector in fixed):
            return [OTHER_VOLUME], False
        if skewed := spread.unmet(pod, node, nodes, placed):
            return [skewed], skewed != spread.NO_LABEL
        apart = affinity.unmet(pod, node, placed)
        return ([apart], apart != affinity.NOT_NEAR) if apart else ([], True)

    def _place(self, pod: Obj, node: Obj) -> None:
        """Bind the Pod, or wait until its claims are bound, which they will be now."""
        if self._unbound(pod):
            self._waiting.add((namespace_of(pod), name_of(pod)))
            return
        bind(self.client.registry.store, pod, name_of(node))
        self._waiting.discard((namespace_of(pod), name_of(pod)))
        message = f"Successfully assigned {namespace_of(pod)}/{name_of(pod)} to {name_of(node)}"
        self.recorder.scheduled(pod, "Normal", "Scheduled", "Binding", message)

    def _placed(self, nodes: list[Obj]) -> list[tuple[Obj, Obj]]:
        """Pods that are on a node and have not ended, each with its node."""
        known = {name_of(node): node for node in nodes}
        return [
            (pod, known[pod["spec"]["nodeName"]])
            for pod in self.client.list("pods")
            if pod["spec"].get("nodeName") in known
            and at(pod, "status", "phase") not in ("Succeeded", "Failed")
        ]

    def _volumes(self, pod: Obj) -> str:
        """Why the Pod's claims keep it from any node."""
        for name in claims.names_of(pod):
            claim = self.client.get(claims.CLAIMS, namespace_of(pod), name)
            if claim is None:
                return f'persistentvolumeclaim "{name}" not found'
            if at(claim, "status", "phase") != "Bound" and not claims.is_delayed(
                self.client, claim
            ):
                return "pod has unbound immediate PersistentVolumeClaims"
        return ""

    def _unbound(self, pod: Obj) -> list[Obj]:
        """The Pod's claims that are bound only now, when the Pod is there."""
        return [c for c in self._claims(pod) if at(c, "status", "phase") != "Bound"]

    def _claims(self, pod: Obj) -> list[Obj]:
        """The claims that the Pod uses and that are there."""
        used = (
            self.client.get(claims.CLAIMS, namespace_of(pod), name) for name in claims.names_of(pod)
        )
        return [claim for claim in used if claim is not None]

    def _room(self, pod: Obj, node: Obj, placed: list[Obj]) -> tuple[list[str], bool]:
        """What the node has too little of, and whether removing other Pods would help."""
        used: dict[str, Decimal] = {}
        for other in placed:
            for name, amount in requests(other).items():
                used[name] = used.get(name, Decimal(0)) + amount
        missing, could = [], True
        for name, amount in requests(pod).items():
            has = quantity.parse(at(node, "status", "allocatable", name, default=0))
            if used.get(name, Decimal(0)) + amount > has:
                missing.append("Too many pods" if name == "pods" else f"Insufficient {name}")
                could = could and amount <= has
        return missing + self._ports_taken(pod, placed), could

    def _ports_taken(self, pod: Obj, placed: list[Obj]) -> list[str]:
        def ports(pod: Obj) -> set[tuple[int, str]]:
            return {
                (p["hostPort"], p.get("protocol", "TCP"))
                for c in pod["spec"]["containers"]
                for p in c.get("ports") or []
                if p.get("hostPort")
            }

        wanted = ports(pod)
        taken = any(wanted & ports(other) for other in placed) if wanted else False
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
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": message,
                "lastProbeTime": None,
                "lastTransitionTime": since,
                "observedGeneration": fresh["metadata"].get("generation", 1),
            }
            kept = [
                c
                for c in at(fresh, "status", "conditions", default=[])
                if c["type"] != "PodScheduled"
            ]
            fresh.setdefault("status", {})["conditions"] = [*kept, unscheduled]

        self.client.change("pods", pod, edit, status=True)
