"""PersistentVolumes and claims: who gets which, and what becomes of a volume afterwards."""

import time
from collections.abc import Iterable

from lab.cluster import quantity
from lab.cluster.client import Client
from lab.cluster.controllers.base import Controller
from lab.cluster.objects import Obj, at, is_deleting, key_of, labels_of, name_of, namespace_of, now, uid_of
from lab.cluster.selectors import selects
from lab.cluster.store import Event

CLAIMS, VOLUMES = "persistentvolumeclaims", "persistentvolumes"
CLAIM_PROTECTION, VOLUME_PROTECTION = "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"
BOUND_BY, BIND_COMPLETED = "pv.kubernetes.io/bound-by-controller", "pv.kubernetes.io/bind-completed"
LOOK_AGAIN = 15.0


class PersistentVolumes(Controller):
    """Its keys are claims (``namespace/name``) and volumes (``name``)."""

    resource, watches, component = CLAIMS, (VOLUMES, "pods"), "persistentvolume-controller"

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._told: dict[str, float] = {}  # when each claim's waiting was last reported

    def keys(self, event: Event) -> Iterable[str]:
        if event.key[0] == VOLUMES:
            yield event.key[2]
            yield from (key_of(c) for c in self.client.list(CLAIMS) if at(c, "status", "phase") == "Pending")
        for volume in at(event.obj, "spec", "volumes", default=[]) if event.key[0] == "pods" else []:
            name = at(volume, "persistentVolumeClaim", "claimName")
            if name:
                yield f"{event.key[1]}/{name}"

    def on(self, event: Event) -> None:
        super().on(event)
        if event.key[0] == CLAIMS and event.kind == "DELETED":
            self.enqueue(at(event.obj, "spec", "volumeName", default="") or "-")

    def enqueue_all(self) -> None:
        super().enqueue_all()
        for volume in self.client.list(VOLUMES):
            self.enqueue(key_of(volume))

    def sync(self, namespace: str, name: str) -> float | None:
        if not namespace:
            return self._sync_volume(name)
        claim = self.client.get(CLAIMS, namespace, name)
        if claim is None:
            return None
        if is_deleting(claim):
            return self._release_claim(claim)
        if at(claim, "status", "phase") == "Bound":
            return None
        volume = self._match(claim)
        if volume is not None:
            self._bind(claim, volume)
            return None
        if self._told.get(uid_of(claim), 0.0) > time.monotonic() - LOOK_AGAIN + 1:
            return LOOK_AGAIN
        self._told[uid_of(claim)] = time.monotonic()
        if not at(claim, "spec", "storageClassName"):
            self.recorder.normal(
                claim, "FailedBinding", "no persistent volumes available for this claim and no storage class is set"
            )
        else:
            self._no_provisioner(claim)
        return LOOK_AGAIN

    def _no_provisioner(self, claim: Obj) -> None:
        name = claim["spec"]["storageClassName"]
        if self.client.get("storageclasses.storage.k8s.io", "", name) is None:
            self.recorder.warning(claim, "ProvisioningFailed", f'storageclass.storage.k8s.io "{name}" not found')
        else:
            message = "Waiting for a volume to be created by hand: this cluster has no provisioner"
            self.recorder.normal(claim, "ExternalProvisioning", message)

    def _match(self, claim: Obj) -> Obj | None:
        """The smallest volume that suits; one reserved for the claim before all others."""
        spec = claim["spec"]
        wanted = quantity.parse(at(spec, "resources", "requests", "storage", default=0))
        fits = []
        for volume in self.client.list(VOLUMES):
            reserved = at(volume, "spec", "claimRef")
            if reserved:
                if (reserved.get("namespace"), reserved.get("name")) == (
                    namespace_of(claim),
                    name_of(claim),
                ) and reserved.get("uid") in (None, uid_of(claim)):
                    return volume
                continue
            suits = (
                set(spec.get("accessModes") or []) <= set(volume["spec"].get("accessModes") or [])
                and (volume["spec"].get("storageClassName") or "") == (spec.get("storageClassName") or "")
                and quantity.parse(volume["spec"]["capacity"]["storage"]) >= wanted
                and (not spec.get("selector") or selects(spec["selector"], labels_of(volume)))
                and spec.get("volumeName") in (None, "", name_of(volume))
                and at(volume, "status", "phase") in ("Available", "Pending") and not is_deleting(volume)
            )  # fmt: skip
            if suits:
                fits.append(volume)
        return min(fits, key=lambda v: quantity.parse(v["spec"]["capacity"]["storage"]), default=None)

    def _bind(self, claim: Obj, volume: Obj) -> None:
        reference = {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": name_of(claim), "namespace": namespace_of(claim),
            "uid": uid_of(claim), "resourceVersion": claim["metadata"]["resourceVersion"],
        }  # fmt: skip

        def take(fresh: Obj) -> None:
            fresh["spec"]["claimRef"] = reference
            fresh["metadata"].setdefault("annotations", {})[BOUND_BY] = "yes"

        def give(fresh: Obj) -> None:
            fresh["spec"]["volumeName"] = name_of(volume)
            fresh["metadata"].setdefault("annotations", {}).update({BOUND_BY: "yes", BIND_COMPLETED: "yes"})

        self.client.change(VOLUMES, volume, take)
        self._phase(name_of(volume), "Bound")
        self.client.change(CLAIMS, claim, give)
        status = {
            "phase": "Bound",
            "accessModes": volume["spec"]["accessModes"],
            "capacity": volume["spec"]["capacity"],
        }
        self.client.set_status(CLAIMS, claim, status)

    def _phase(self, name: str, phase: str) -> None:
        volume = self.client.get(VOLUMES, "", name)
        if volume is not None and at(volume, "status", "phase") != phase:
            self.client.set_status(VOLUMES, volume, {"phase": phase, "lastPhaseTransitionTime": now()})

    def _release_claim(self, claim: Obj) -> float | None:
        """A claim that is being deleted goes when no Pod uses it any more."""
        users = [
            pod
            for pod in self.client.list("pods", namespace_of(claim))
            if any(
                at(v, "persistentVolumeClaim", "claimName") == name_of(claim)
                for v in at(pod, "spec", "volumes", default=[])
            )
            and at(pod, "status", "phase") not in ("Succeeded", "Failed")
        ]
        if not users:
            self.client.remove_finalizer(CLAIMS, claim, CLAIM_PROTECTION)
        return None

    def _sync_volume(self, name: str) -> float | None:
        volume = self.client.get(VOLUMES, "", name)
        if volume is None:
            return None
        reference = at(volume, "spec", "claimRef")
        if reference is None:
            self._phase(name, "Available")
        elif reference.get("uid"):
            claim = self.client.get(CLAIMS, reference["namespace"], reference["name"])
            if claim is None or uid_of(claim) != reference["uid"]:
                self._phase(name, "Released")
                if at(volume, "spec", "persistentVolumeReclaimPolicy") == "Delete" and not is_deleting(volume):
                    self.client.delete(VOLUMES, volume)
        volume = self.client.get(VOLUMES, "", name) or volume
        if is_deleting(volume) and at(volume, "status", "phase") != "Bound":
            self.client.remove_finalizer(VOLUMES, volume, VOLUME_PROTECTION)
        return None
