"""PersistentVolumes and claims: who gets which, and what becomes of a volume afterwards."""

import time
from collections.abc import Iterable

from lab.cluster.controllers.base import Controller
from lab.cluster.model.objects import (
    Obj,
    at,
    is_deleting,
    key_of,
    name_of,
    namespace_of,
    now,
    uid_of,
)
from lab.cluster.registry import claims
from lab.cluster.registry.claims import CLAIMS, VOLUMES
from lab.cluster.registry.client import Client
from lab.cluster.registry.store import Event

CLAIM_PROTECTION, VOLUME_PROTECTION = "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"
BOUND_BY, BIND_COMPLETED = "pv.kubernetes.io/bound-by-controller", "pv.kubernetes.io/bind-completed"
PROVISIONER = (
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-provisioner",
)
LOOK_AGAIN = 15.0
PROVISIONING = (
    "Waiting for a volume to be created either by the external provisioner '{}' or manually by the"
    " system administrator. If volume creation is delayed, please verify that the provisioner is"
    " running and correctly registered."
)


class PersistentVolumes(Controller):
    """Its keys are claims (``namespace/name``) and volumes (``name``)."""

    resource, watches, component = CLAIMS, (VOLUMES, "pods"), "persistentvolume-controller"

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._told: dict[str, float] = {}  # when each claim's waiting was last reported

    def keys(self, event: Event) -> Iterable[str]:
        if event.key[0] == VOLUMES:
            yield event.key[2]
            yield from (
                key_of(c) for c in self.client.list(CLAIMS) if at(c, "status", "phase") == "Pending"
            )
        for name in claims.names_of(event.obj) if event.key[0] == "pods" else []:
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
        waits = claims.is_delayed(self.client, claim) and not claims.users_of(self.client, claim)
        volume = claims.volume_for(self.client, claim, reserved=waits)
        if volume is not None:
            self._bind(claim, volume)
            return None
        if self._told.get(uid_of(claim), 0.0) > time.monotonic() - LOOK_AGAIN + 1:
            return LOOK_AGAIN
        self._told[uid_of(claim)] = time.monotonic()
        self._tell(claim, waits=waits)
        return LOOK_AGAIN

    def _tell(self, claim: Obj, *, waits: bool) -> None:
        """Why a claim has no volume yet."""
        storage_class, users = (
            claims.class_of(self.client, claim),
            claims.users_of(self.client, claim),
        )
        provisioner = (storage_class or {}).get("provisioner")
        if waits:
            message = "waiting for first consumer to be created before binding"
            self.recorder.normal(claim, "WaitForFirstConsumer", message)
        elif not at(claim, "spec", "storageClassName"):
            message = "no persistent volumes available for this claim and no storage class is set"
            self.recorder.normal(claim, "FailedBinding", message)
        elif storage_class is None:
            message = f'storageclass.storage.k8s.io "{claim["spec"]["storageClassName"]}" not found'
            self.recorder.warning(claim, "ProvisioningFailed", message)
        elif provisioner != claims.BY_HAND:
            self._give_to(claim, str(provisioner))
        elif claims.is_delayed(self.client, claim):
            message = f"waiting for pod {name_of(users[0])} to be scheduled"
            self.recorder.normal(claim, "WaitForPodScheduled", message)
        else:
            message = f"no volume plugin matched name: {claims.BY_HAND}"
            self.recorder.warning(claim, "ProvisioningFailed", message)

    def _give_to(self, claim: Obj, provisioner: str) -> None:
        """Leave a claim to a provisioner outside, by the notes that such a one looks for."""

        def note(fresh: Obj) -> None:
            fresh["metadata"].setdefault("annotations", {}).update(
                dict.fromkeys(PROVISIONER, provisioner)
            )

        self.recorder.normal(claim, "ExternalProvisioning", PROVISIONING.format(provisioner))
        self.client.change(CLAIMS, claim, note)

    def _bind(self, claim: Obj, volume: Obj) -> None:
        reference = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "name": name_of(claim),
            "namespace": namespace_of(claim),
            "uid": uid_of(claim),
            "resourceVersion": claim["metadata"]["resourceVersion"],
        }

        def take(fresh: Obj) -> None:
            fresh["spec"]["claimRef"] = reference
            fresh["metadata"].setdefault("annotations", {})[BOUND_BY] = "yes"

        def give(fresh: Obj) -> None:
            fresh["spec"]["volumeName"] = name_of(volume)
            fresh["metadata"].setdefault("annotations", {}).update(
                {BOUND_BY: "yes", BIND_COMPLETED: "yes"}
            )

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
            self.client.set_status(
                VOLUMES, volume, {"phase": phase, "lastPhaseTransitionTime": now()}
            )

    def _release_claim(self, claim: Obj) -> float | None:
        """A claim that is being deleted goes when no Pod uses it any more."""
        if not claims.users_of(self.client, claim):
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
                if at(
                    volume, "spec", "persistentVolumeReclaimPolicy"
                ) == "Delete" and not is_deleting(volume):
                    self.client.delete(VOLUMES, volume)
        volume = self.client.get(VOLUMES, "", name) or volume
        if is_deleting(volume) and at(volume, "status", "phase") != "Bound":
            self.client.remove_finalizer(VOLUMES, volume, VOLUME_PROTECTION)
        return None
