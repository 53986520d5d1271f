"""DaemonSets: one Pod on each node that suits it. Here that is one node, or none."""

import json
import time
import zlib

from lab.cluster.controllers import pods
from lab.cluster.controllers.base import Controller
from lab.cluster.objects import (
    Obj,
    at,
    copy,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    safe_encode,
)
from lab.cluster.scheduler import node_suits
from lab.cluster.store import Event

HASH = "controller-revision-hash"
TOLERATED = ("not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")


class DaemonSets(Controller):
    resource, watches, component = "daemonsets.apps", ("pods", "nodes"), "daemonset-controller"

    def on(self, event: Event) -> None:
        super().on(event)
        if event.key[0] == "nodes":
            self.enqueue_all()

    def sync(self, namespace: str, name: str) -> float | None:
        owner = self.get(namespace, name)
        if owner is None:
            return None
        digest = revision(self, owner)
        mine = pods.owned(self.client, owner)
        wanted: list[str] = []
        if not is_deleting(owner):
            for node in self.client.list("nodes"):
                self._sync_node(owner, node, [p for p in mine if _node(p) == name_of(node)], digest, wanted)
        self._report(owner, pods.owned(self.client, owner, adopt=False), wanted, digest)
        return None

    def _sync_node(self, owner: Obj, node: Obj, there: list[Obj], digest: str, wanted: list[str]) -> None:
        template = self._pod(owner, node, digest)
        suits = not node_suits(template, node)
        if suits:
            wanted.append(name_of(node))
        for pod in there:
            failed = at(pod, "status", "phase") in ("Succeeded", "Failed")
            outdated = (
                labels_of(pod).get(HASH) != digest and at(owner, "spec", "updateStrategy", "type") == "RollingUpdate"
            )
            if not is_deleting(pod) and (failed or outdated or not suits):
                self.client.delete("pods", pod)
                self.recorder.normal(owner, "SuccessfulDelete", f"Deleted pod: {name_of(pod)}")
        if suits and not there:
            pod = self.client.create("pods", template)
            self.recorder.normal(owner, "SuccessfulCreate", f"Created pod: {name_of(pod)}")

    def _pod(self, owner: Obj, node: Obj, digest: str) -> Obj:
        pod = pods.from_template(owner, owner["spec"]["template"])
        pod["metadata"]["labels"] = {
            **pod["metadata"]["labels"],
            HASH: digest,
            "pod-template-generation": str(owner["metadata"].get("generation", 1)),
        }
        term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name_of(node)]}]}
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
        pod["spec"].setdefault("affinity", {})["nodeAffinity"] = required
        for reason in TOLERATED:
            effect = "NoExecute" if reason in ("not-ready", "unreachable") else "NoSchedule"
            pod["spec"].setdefault("tolerations", []).append(
                {"key": f"node.kubernetes.io/{reason}", "operator": "Exists", "effect": effect}
            )
        return pod

    def _report(self, owner: Obj, mine: list[Obj], wanted: list[str], digest: str) -> None:
        current = [p for p in mine if _node(p) in wanted and not is_deleting(p)]
        ready = [p for p in current if pods.is_ready(p)]
        available = [
            p for p in ready if pods.is_available(p, at(owner, "spec", "minReadySeconds", default=0), time.time())
        ]
        status: Obj = {
            "currentNumberScheduled": len(current), "desiredNumberScheduled": len(wanted), "numberMisscheduled": 0, "numberReady": len(ready),
            "observedGeneration": owner["metadata"].get("generation", 1),
        }  # fmt: skip
        updated = len([p for p in current if labels_of(p).get(HASH) == digest])
        for key, count in (
            ("updatedNumberScheduled", updated),
            ("numberAvailable", len(available)),
            ("numberUnavailable", len(wanted) - len(available)),
        ):
            if count:
                status[key] = count
        self.client.set_status(self.resource, owner, status)


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


def revision(controller: Controller, owner: Obj) -> str:
    """The hash of the owner's template, kept as a ControllerRevision so that a rollout has a history."""
    client = controller.client
    template = owner["spec"]["template"]
    digest = safe_encode(zlib.crc32(json.dumps(template, sort_keys=True).encode()))
    name = f"{name_of(owner)}-{digest}"
    existing = [
        r
        for r in client.list("controllerrevisions.apps", namespace_of(owner))
        if r["metadata"]["ownerReferences"][0]["uid"] == owner["metadata"]["uid"]
    ]
    newest = max((r["revision"] for r in existing), default=0)
    found = next((r for r in existing if name_of(r) == name), None)
    if found is None:
        data = {"spec": {"template": copy(template) | {"$patch": "replace"}}}
        meta = {
            "name": name, "namespace": namespace_of(owner), "labels": {**(at(template, "metadata", "labels", default={})), HASH: digest},
            "ownerReferences": [owner_reference(owner)],
        }  # fmt: skip
        client.create("controllerrevisions.apps", {"metadata": meta, "data": data, "revision": newest + 1})
    elif found["revision"] != newest:

        def edit(fresh: Obj) -> None:
            fresh["revision"] = newest + 1

        client.change("controllerrevisions.apps", found, edit)
    limit = owner["spec"].get("revisionHistoryLimit", 10) + 1
    for old in sorted(existing, key=lambda r: int(r["revision"]))[: max(0, len(existing) - limit)]:
        client.delete("controllerrevisions.apps", old)
    return digest
