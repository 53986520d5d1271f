"""The deletion of an object: at once, or marked until finalizers and grace are over."""

from datetime import UTC, datetime, timedelta

from lab.cluster.model.errors import conflict
from lab.cluster.model.objects import Obj, at, copy, is_deleting, name_of
from lab.cluster.model.resources import Resource
from lab.cluster.registry.call import DeleteOptions

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


def check_preconditions(resource: Resource, obj: Obj, options: DeleteOptions) -> None:
    """APIError (409) when the object is another one than the request means."""
    meta = obj["metadata"]
    for wanted, actual, what in (
        (options.uid, meta["uid"], "UID"),
        (options.revision, meta["resourceVersion"], "ResourceVersion"),
    ):
        if wanted is not None and wanted != actual:
            why = (
                f"Precondition failed: {what} in precondition: {wanted}, {what} in object meta:"
                f" {actual}"
            )
            raise conflict(resource.group, resource.plural, name_of(obj), why)


def waits(resource: Resource, obj: Obj) -> bool:
    """Whether something must still happen before an object that is being deleted may go."""
    finalizers = obj["metadata"].get("finalizers") or (
        resource.qualified == "namespaces" and at(obj, "spec", "finalizers")
    )
    return bool(finalizers) or bool(obj["metadata"].get("deletionGracePeriodSeconds"))


def mark(resource: Resource, obj: Obj, options: DeleteOptions) -> Obj:
    """A copy of the object that says that it is being deleted, since when and for how long."""
    marked = copy(obj)
    meta = marked["metadata"]
    finalizers = [
        f for f in meta.get("finalizers") or [] if f not in (FOREGROUND, ORPHAN) or is_deleting(obj)
    ]
    wanted = {"Foreground": FOREGROUND, "Orphan": ORPHAN}.get(options.propagation or "")
    if wanted and wanted not in finalizers:
        finalizers.append(wanted)
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)
    grace = _grace(obj, options.grace_seconds) if resource.qualified == "pods" else 0
    if is_deleting(obj) and grace >= int(meta.get("deletionGracePeriodSeconds") or 0):
        return marked
    if "generation" in meta and not is_deleting(obj):
        meta["generation"] += 1
    began = datetime.now(UTC) + timedelta(seconds=grace)
    if not is_deleting(obj) or resource.qualified == "pods":
        meta["deletionTimestamp"] = began.strftime("%Y-%m-%dT%H:%M:%SZ")
    meta["deletionGracePeriodSeconds"] = grace
    if resource.qualified == "namespaces":
        marked["status"] = {**(marked.get("status") or {}), "phase": "Terminating"}
    return marked


def _grace(pod: Obj, asked: int | None) -> int:
    """Seconds a Pod gets to end; none when it runs nowhere or has ended."""
    if not at(pod, "spec", "nodeName") or at(pod, "status", "phase") in ("Succeeded", "Failed"):
        return 0
    if asked is not None:
        return max(asked, 0)
    return int(at(pod, "spec", "terminationGracePeriodSeconds", default=30))
