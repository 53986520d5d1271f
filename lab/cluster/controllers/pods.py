"""What controllers of Pods share: which are theirs, making one, which to delete first."""

from collections.abc import Callable

from lab.cluster.model.errors import APIError
from lab.cluster.model.objects import (
    Obj,
    at,
    condition,
    controller_of,
    copy,
    epoch,
    is_controlled_by,
    is_deleting,
    is_true,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
)
from lab.cluster.model.selectors import from_object, matches
from lab.cluster.registry.client import Client
from lab.cluster.registry.events import Recorder

Change = Callable[[Obj], None]


def is_active(pod: Obj) -> bool:
    """Neither ended nor ending."""
    return at(pod, "status", "phase") not in ("Succeeded", "Failed") and not is_deleting(pod)


def is_ready(pod: Obj) -> bool:
    return is_true(pod, "Ready")


def is_available(pod: Obj, min_ready_seconds: int, now: float) -> bool:
    """Ready for long enough."""
    ready = condition(pod, "Ready")
    if ready is None or ready["status"] != "True":
        return False
    return (
        not min_ready_seconds
        or now - epoch(ready.get("lastTransitionTime", "")) >= min_ready_seconds
    )


def owned(client: Client, owner: Obj, resource: str = "pods", *, adopt: bool = True) -> list[Obj]:
    """The Pods, or ReplicaSets, that an owner's selector and owner reference make its own.

    Orphans that match are adopted, those of its own that do not match any more released.
    """
    selector = at(owner, "spec", "selector")
    if owner["kind"] == "ReplicationController":
        selector = {"matchLabels": selector}
    requirements = from_object(selector)
    found = []
    for pod in client.list(resource, namespace_of(owner)):
        mine = is_controlled_by(pod, owner)
        fits = requirements is not None and matches(requirements, labels_of(pod))
        if mine and fits:
            found.append(pod)
        elif mine and adopt and not is_deleting(pod):
            client.change(resource, pod, _release(owner))
        elif (
            fits
            and adopt
            and controller_of(pod) is None
            and not is_deleting(pod)
            and not is_deleting(owner)
            and is_active(pod)
        ):
            adopted = client.change(resource, pod, _adopt(owner))
            if adopted is not None:
                found.append(adopted)
    return found


def _adopt(owner: Obj) -> Change:
    def change(pod: Obj) -> None:
        pod["metadata"].setdefault("ownerReferences", []).append(owner_reference(owner))

    return change


def _release(owner: Obj) -> Change:
    def change(pod: Obj) -> None:
        kept = [
            o for o in pod["metadata"]["ownerReferences"] if o["uid"] != owner["metadata"]["uid"]
        ]
        pod["metadata"]["ownerReferences"] = kept

    return change


def from_template(owner: Obj, template: Obj, *, name: str = "") -> Obj:
    """A new Pod of an owner; without a name it gets a random one."""
    meta = copy(template.get("metadata") or {})
    pod: Obj = {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": copy(template["spec"]),
        "metadata": {
            "namespace": namespace_of(owner),
            "labels": meta.get("labels") or {},
            "annotations": meta.get("annotations") or {},
            "ownerReferences": [owner_reference(owner)],
            "generateName": f"{name_of(owner)}-",
        },
    }
    if meta.get("finalizers"):
        pod["metadata"]["finalizers"] = meta["finalizers"]
    if name:
        pod["metadata"]["name"] = name
    return pod


def create(client: Client, recorder: Recorder, owner: Obj, pod: Obj) -> Obj:
    """Make an owner's Pod, and tell how that went. APIError when it is refused."""
    try:
        created = client.create("pods", pod)
    except APIError as error:
        recorder.warning(owner, "FailedCreate", f"Error creating: {error}")
        raise
    recorder.normal(owner, "SuccessfulCreate", f"Created pod: {name_of(created)}")
    return created


def delete(client: Client, recorder: Recorder, owner: Obj, pod: Obj) -> None:
    client.delete("pods", pod)
    recorder.normal(owner, "SuccessfulDelete", f"Deleted pod: {name_of(pod)}")


def deletion_order(pod: Obj) -> tuple[bool, int, bool, float, float]:
    """Sorts first what is best deleted: unassigned, pending, not ready, more restarts, younger."""
    phase = {"Pending": 0, "Unknown": 1}.get(at(pod, "status", "phase", default=""), 2)
    restarts = max(
        (s.get("restartCount", 0) for s in at(pod, "status", "containerStatuses", default=[])),
        default=0,
    )
    return (
        bool(at(pod, "spec", "nodeName")),
        phase,
        is_ready(pod),
        -restarts,
        -epoch(pod["metadata"]["creationTimestamp"]),
    )
