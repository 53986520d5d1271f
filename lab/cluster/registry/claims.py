"""Claims and the volumes that suit them, for the controller that binds and the scheduler."""

from lab.cluster.model import quantity
from lab.cluster.model.objects import Obj, at, is_deleting, labels_of, name_of, namespace_of, uid_of
from lab.cluster.model.selectors import selects
from lab.cluster.registry.client import Client

CLAIMS, VOLUMES = "persistentvolumeclaims", "persistentvolumes"
CLASSES = "storageclasses.storage.k8s.io"
BY_HAND = "kubernetes.io/no-provisioner"


def class_of(client: Client, claim: Obj) -> Obj | None:
    name = at(claim, "spec", "storageClassName", default="")
    return client.get(CLASSES, "", name) if name else None


def is_delayed(client: Client, claim: Obj) -> bool:
    """Whether a claim is bound only when a Pod uses it."""
    return (class_of(client, claim) or {}).get("volumeBindingMode") == "WaitForFirstConsumer"


def names_of(pod: Obj) -> list[str]:
    """The claims that a Pod uses."""
    names = [
        at(volume, "persistentVolumeClaim", "claimName")
        for volume in at(pod, "spec", "volumes", default=[])
    ]
    return [name for name in names if name]


def affinities_of(client: Client, claims: list[Obj]) -> list[Obj]:
    """The node selectors of the volumes that the claims are bound to: where each can be used."""
    names = [at(claim, "spec", "volumeName", default="") for claim in claims]
    volumes = [client.get(VOLUMES, "", name) for name in names if name]
    required = [at(volume, "spec", "nodeAffinity", "required") for volume in volumes]
    return [selector for selector in required if selector]


def users_of(client: Client, claim: Obj) -> list[Obj]:
    """The Pods that use a claim and have not ended."""
    return [
        pod
        for pod in client.list("pods", namespace_of(claim))
        if name_of(claim) in names_of(pod)
        and at(pod, "status", "phase") not in ("Succeeded", "Failed")
    ]


def volume_for(client: Client, claim: Obj, *, reserved: bool = False) -> Obj | None:
    """The smallest volume that suits; one reserved for the claim comes first."""
    fits = []
    for volume in client.list(VOLUMES):
        holder = at(volume, "spec", "claimRef")
        if holder is None:
            fits += [volume] if _suits(volume, claim) else []
        elif (holder.get("namespace"), holder.get("name")) == (
            namespace_of(claim),
            name_of(claim),
        ) and holder.get("uid") in (None, uid_of(claim)):
            return volume
    if reserved:
        return None
    return min(fits, key=lambda v: quantity.parse(v["spec"]["capacity"]["storage"]), default=None)


def _suits(volume: Obj, claim: Obj) -> bool:
    spec = claim["spec"]
    wanted = quantity.parse(at(spec, "resources", "requests", "storage", default=0))
    return (
        set(spec.get("accessModes") or []) <= set(volume["spec"].get("accessModes") or [])
        and (volume["spec"].get("storageClassName") or "") == (spec.get("storageClassName") or "")
        and quantity.parse(volume["spec"]["capacity"]["storage"]) >= wanted
        and (not spec.get("selector") or selects(spec["selector"], labels_of(volume)))
        and spec.get("volumeName") in (None, "", name_of(volume))
        and at(volume, "status", "phase") in ("Available", "Pending")
        and not is_deleting(volume)
    )


def will_be_bound(client: Client, claim: Obj) -> bool:
    """Whether a claim that waited for a Pod gets a volume now, present or to be made."""
    provisioner = (class_of(client, claim) or {}).get("provisioner")
    return provisioner != BY_HAND or volume_for(client, claim) is not None
