"""A Deployment's status: how many Pods are up to date and available, how far the rollout is."""

from lab.cluster.controllers.rollout import budgets, replicas_of
from lab.cluster.model.objects import (
    Obj,
    at,
    condition,
    name_of,
    new_condition,
    nonzero,
    now,
    seconds_since,
)

COUNTED = ("updatedReplicas", "readyReplicas", "availableReplicas")


class Conditions:
    """The conditions of a Deployment's status by type; one that changes moves to the end."""

    def __init__(self, deployment: Obj) -> None:
        listed = at(deployment, "status", "conditions", default=[])
        self._by_type: dict[str, Obj] = {condition["type"]: condition for condition in listed}

    def get(self, kind: str) -> Obj | None:
        return self._by_type.get(kind)

    def remove(self, kind: str) -> None:
        self._by_type.pop(kind, None)

    def all(self) -> list[Obj]:
        return list(self._by_type.values())

    def set(
        self, kind: str, status: str, reason: str, message: str, *, touch: bool = False
    ) -> None:
        """Set a condition. With ``touch`` its time of update moves even if nothing else does."""
        before = self.get(kind)
        same = before and (before["status"], before["reason"], before["message"]) == (
            status,
            reason,
            message,
        )
        if same and not touch:
            return
        self.remove(kind)
        changed = new_condition(before, kind, status, reason, message)
        self._by_type[kind] = changed | {"lastUpdateTime": now()}


def status_of(deployment: Obj, new: Obj | None, sets: list[Obj]) -> tuple[Obj, float | None]:
    """The whole status, and seconds until the rollout counts as stuck (None when it cannot).

    ``new`` is the ReplicaSet of the template as it is now, ``sets`` are all of the Deployment's.
    """
    status = _counts(deployment, new, sets)
    conditions = Conditions(deployment)
    paused = at(deployment, "spec", "paused")
    if new is not None and conditions.get("Progressing") is None and not paused:
        message = f'Created new replica set "{name_of(new)}"'
        conditions.set("Progressing", "True", "NewReplicaSetCreated", message)
    _available(deployment, status, conditions)
    again = _progress(deployment, new, status, conditions)
    failing = next((c for rs in sets if (c := condition(rs, "ReplicaFailure"))), None)
    conditions.remove("ReplicaFailure")
    if failing:
        conditions.set("ReplicaFailure", "True", failing["reason"], failing["message"])
    status["conditions"] = conditions.all()
    return status, again


def _counts(deployment: Obj, new: Obj | None, sets: list[Obj]) -> Obj:
    available = replicas_of(sets, "availableReplicas")
    status = nonzero(
        replicas=replicas_of(sets, "replicas"),
        updatedReplicas=replicas_of([new], "replicas") if new else 0,
        readyReplicas=replicas_of(sets, "readyReplicas"),
        availableReplicas=available,
        unavailableReplicas=max(0, replicas_of(sets) - available),
    )
    status["observedGeneration"] = deployment["metadata"].get("generation", 1)
    status["terminatingReplicas"] = replicas_of(sets, "terminatingReplicas")
    return status


def _available(deployment: Obj, status: Obj, conditions: Conditions) -> None:
    replicas = at(deployment, "spec", "replicas", default=0)
    if status.get("availableReplicas", 0) >= replicas - budgets(deployment)[1]:
        message = "Deployment has minimum availability."
        conditions.set("Available", "True", "MinimumReplicasAvailable", message)
    else:
        message = "Deployment does not have minimum availability."
        conditions.set("Available", "False", "MinimumReplicasUnavailable", message)


def _progress(
    deployment: Obj, new: Obj | None, status: Obj, conditions: Conditions
) -> float | None:
    """The Progressing condition: is the rollout under way, complete, or too slow?"""
    spec = deployment["spec"]
    deadline, paused = spec.get("progressDeadlineSeconds"), spec.get("paused")
    if deadline is None or (new is None and not paused):
        return None
    before = conditions.get("Progressing")
    was_paused = before is not None and before["reason"] == "DeploymentPaused"
    if paused:
        if not was_paused:
            conditions.set("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
        return None
    if was_paused:
        conditions.set("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed")
    which = f'ReplicaSet "{name_of(new)}"' if new else f'Deployment "{name_of(deployment)}"'
    if _is_complete(spec.get("replicas", 0), status):
        message = f"{which} has successfully progressed."
        conditions.set("Progressing", "True", "NewReplicaSetAvailable", message)
        return None
    if before is None:
        return None
    completed = before["reason"] == "NewReplicaSetAvailable"
    if _has_moved(deployment, status) or (completed and _is_outdated(deployment, new)):
        message = f"{which} is progressing."
        conditions.set("Progressing", "True", "ReplicaSetUpdated", message, touch=True)
    elif not completed and seconds_since(before["lastUpdateTime"]) > deadline:
        message = f"{which} has timed out progressing."
        conditions.set("Progressing", "False", "ProgressDeadlineExceeded", message)
        return None
    updated = (conditions.get("Progressing") or before)["lastUpdateTime"]
    return max(1.0, float(deadline) - seconds_since(updated) + 1)


def _is_complete(replicas: int, status: Obj) -> bool:
    counts = ("updatedReplicas", "replicas", "availableReplicas")
    return all(status.get(count, 0) == replicas for count in counts)


def _has_moved(deployment: Obj, status: Obj) -> bool:
    """Whether there are more new Pods than before, or fewer Pods in all."""
    before = deployment.get("status") or {}
    return any(status.get(count, 0) > before.get(count, 0) for count in COUNTED) or status.get(
        "replicas", 0
    ) < before.get("replicas", 0)


def _is_outdated(deployment: Obj, new: Obj | None) -> bool:
    """Whether a new version is being rolled out, and not merely a Pod missing."""
    message = (condition(deployment, "Progressing") or {}).get("message", "")
    return new is not None and name_of(new) not in message
