"""StatefulSets: Pods with names and volumes of their own, made and replaced one after the other."""

import time

from lab.cluster.controllers import pods
from lab.cluster.controllers.base import Controller
from lab.cluster.controllers.revisions import REVISIONS, current_revision, template_of
from lab.cluster.model.errors import APIError
from lab.cluster.model.objects import (
    Obj,
    annotations_of,
    at,
    copy,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    nonzero,
)

HASH, REVISION_HASH = "controller-revision-hash", "controller.kubernetes.io/hash"
POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"


class StatefulSets(Controller):
    """Keeps the Pods of a StatefulSet: each with its name and its own claims, in order.

    A sync takes one step: the first Pod that is missing, then the last of too many, then the last
    that is outdated; with ``Parallel`` all missing ones at once. Claims outlive their Pods.
    """

    resource, watches, component = "statefulsets.apps", ("pods",), "statefulset-controller"

    def sync(self, namespace: str, name: str) -> float | None:
        owner = self.get(namespace, name)
        if owner is None:
            return None
        revision = current_revision(self.client, owner, REVISION_HASH)
        if not is_deleting(owner):
            self._step(
                owner, revision, {name_of(pod): pod for pod in pods.owned(self.client, owner)}
            )
        self._report(owner, pods.owned(self.client, owner, adopt=False), name_of(revision))
        return float(at(owner, "spec", "minReadySeconds", default=0)) or None

    def _step(self, owner: Obj, revision: Obj, mine: dict[str, Obj]) -> None:
        """Make what is missing, then delete what is too many, then replace what is outdated."""
        replicas, first = (
            at(owner, "spec", "replicas", default=0),
            at(owner, "spec", "ordinals", "start", default=0),
        )
        ordered = at(owner, "spec", "podManagementPolicy") != "Parallel"
        wanted = [f"{name_of(owner)}-{first + i}" for i in range(replicas)]
        for pod_name in wanted:
            pod = mine.get(pod_name)
            if pod is None:
                self._create(owner, pod_name, self._revision_for(owner, pod_name, first, revision))
                if ordered:
                    return
            elif at(pod, "status", "phase") in ("Succeeded", "Failed") and not is_deleting(pod):
                self._delete(owner, pod)
                return
            elif ordered and (is_deleting(pod) or not self._available(owner, pod)):
                return
        extra = sorted((p for n, p in mine.items() if n not in wanted), key=_ordinal, reverse=True)
        for pod in extra[:1] if ordered else extra:
            if not is_deleting(pod):
                self._delete(owner, pod)
        if not extra:
            self._replace(owner, name_of(revision), [mine[n] for n in wanted if n in mine], first)

    def _revision_for(self, owner: Obj, pod_name: str, first: int, newest: Obj) -> Obj:
        """Below an update's partition, a Pod made again is of the revision before."""
        partition = at(owner, "spec", "updateStrategy", "rollingUpdate", "partition", default=0)
        if int(pod_name.rpartition("-")[2]) >= first + partition:
            return newest
        before = at(owner, "status", "currentRevision", default="")
        return self.client.get(REVISIONS, namespace_of(owner), before) or newest

    def _available(self, owner: Obj, pod: Obj) -> bool:
        return pods.is_available(pod, at(owner, "spec", "minReadySeconds", default=0), time.time())

    def _replace(self, owner: Obj, newest: str, mine: list[Obj], first: int) -> None:
        strategy = at(owner, "spec", "updateStrategy", default={})
        if strategy.get("type") != "RollingUpdate":
            return
        partition = at(strategy, "rollingUpdate", "partition", default=0)
        for pod in sorted(mine, key=_ordinal, reverse=True):
            if labels_of(pod).get(HASH) != newest and _ordinal(pod) >= first + partition:
                if not is_deleting(pod):
                    self._delete(owner, pod)
                return
            if is_deleting(pod) or not self._available(owner, pod):
                return

    def _delete(self, owner: Obj, pod: Obj) -> None:
        self.client.delete("pods", pod)
        message = f"delete Pod {name_of(pod)} in StatefulSet {name_of(owner)} successful"
        self.recorder.normal(owner, "SuccessfulDelete", message)

    def _create(self, owner: Obj, pod_name: str, revision: Obj) -> None:
        own = {HASH: name_of(revision), POD_NAME: pod_name, POD_INDEX: pod_name.rpartition("-")[2]}
        pod = pods.from_template(owner, template_of(revision), name=pod_name)
        pod["metadata"]["labels"] = {**pod["metadata"]["labels"], **own}
        pod["spec"] |= {
            "hostname": pod_name,
            "subdomain": at(owner, "spec", "serviceName", default=""),
        }
        for template in at(owner, "spec", "volumeClaimTemplates", default=[]):
            self._claim(owner, pod, template, pod_name)
        what = f"create Pod {pod_name} in StatefulSet {name_of(owner)}"
        try:
            self.client.create("pods", pod)
        except APIError as error:
            if error.reason != "AlreadyExists":
                self.recorder.warning(owner, "FailedCreate", f"{what} failed error: {error}")
            raise
        self.recorder.normal(owner, "SuccessfulCreate", f"{what} successful")

    def _claim(self, owner: Obj, pod: Obj, template: Obj, pod_name: str) -> None:
        """The Pod's own claim, made unless it is there from before."""
        volume = name_of(template)
        claim_name = f"{volume}-{pod_name}"
        if self.client.get("persistentvolumeclaims", namespace_of(owner), claim_name) is None:
            labels = labels_of(template) | at(owner, "spec", "selector", "matchLabels", default={})
            meta = {
                "name": claim_name,
                "namespace": namespace_of(owner),
                "labels": labels,
                "annotations": annotations_of(template),
            }
            self.client.create(
                "persistentvolumeclaims", {"metadata": meta, "spec": copy(template["spec"])}
            )
            message = (
                f"create Claim {claim_name} Pod {pod_name} in StatefulSet {name_of(owner)} success"
            )
            self.recorder.normal(owner, "SuccessfulCreate", message)
        volumes = [v for v in pod["spec"].get("volumes") or [] if v.get("name") != volume]
        pod["spec"]["volumes"] = [
            {"name": volume, "persistentVolumeClaim": {"claimName": claim_name}},
            *volumes,
        ]

    def _report(self, owner: Obj, mine: list[Obj], newest: str) -> None:
        """Pods being deleted still count as there and ready, not as those of a revision."""
        replicas = at(owner, "spec", "replicas", default=0)
        staying = [labels_of(pod).get(HASH) for pod in mine if not is_deleting(pod)]
        ready = [
            pod for pod in mine if at(pod, "status", "phase") == "Running" and pods.is_ready(pod)
        ]
        updated = staying.count(newest)
        rolling = at(owner, "spec", "updateStrategy", "type") == "RollingUpdate"
        done = rolling and updated == len(ready) == len(mine) == replicas
        current = newest if done else at(owner, "status", "currentRevision", default=newest)
        status: Obj = {
            "replicas": len(mine),
            "availableReplicas": len([p for p in ready if self._available(owner, p)]),
            "collisionCount": 0,
            "observedGeneration": owner["metadata"].get("generation", 1),
            "updateRevision": newest,
            "currentRevision": current,
        }
        status |= nonzero(
            readyReplicas=len(ready),
            updatedReplicas=updated,
            currentReplicas=staying.count(current),
        )
        self.client.set_status(self.resource, owner, status)


def _ordinal(pod: Obj) -> int:
    text = name_of(pod).rpartition("-")[2]
    return int(text) if text.isdigit() else -1
