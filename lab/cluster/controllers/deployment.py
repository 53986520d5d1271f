"""Deployments: a ReplicaSet for each version of the template, and the way from one to the next."""

import json
import math
import zlib

from lab.cluster.controllers import pods
from lab.cluster.controllers.base import Controller
from lab.cluster.model.objects import (
    Obj,
    annotations_of,
    at,
    condition,
    copy,
    is_controlled_by,
    is_deleting,
    name_of,
    namespace_of,
    new_condition,
    nonzero,
    now,
    owner_reference,
    safe_encode,
    seconds_since,
)

RS = "replicasets.apps"
REVISION, HISTORY = "deployment.kubernetes.io/revision", "deployment.kubernetes.io/revision-history"
DESIRED, MAXIMUM = (
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
)
HASH = "pod-template-hash"
NOT_COPIED = (
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MAXIMUM,
    "deprecated.deployment.rollback.to",
)
REVISIONS_REMEMBERED = 2000


def revision_of(obj: Obj) -> int:
    text = annotations_of(obj).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def bound(value: int | str, total: int, *, up: bool) -> int:
    """A number, or a percentage of ``total``, as maxSurge and maxUnavailable give it."""
    if isinstance(value, str) and value.endswith("%"):
        share = int(value[:-1]) * total / 100
        return math.ceil(share) if up else math.floor(share)
    return int(value)


def budgets(deployment: Obj) -> tuple[int, int]:
    """How many Pods more, and how many fewer, than wanted there may be during a rollout."""
    replicas = at(deployment, "spec", "replicas", default=0)
    if at(deployment, "spec", "strategy", "type") != "RollingUpdate":
        return 0, 0
    rolling = at(deployment, "spec", "strategy", "rollingUpdate", default={})
    surge = bound(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = bound(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, replicas)


def bare_template(template: Obj) -> Obj:
    """The template without the label that tells versions apart."""
    bare = copy(template)
    labels = (bare.get("metadata") or {}).get("labels")
    if labels:
        labels.pop(HASH, None)
    return bare


def replicas_of(sets: list[Obj], field: str = "") -> int:
    """The sum of what the sets want, or of a field of their status."""
    return sum(
        at(rs, "status", field, default=0) if field else at(rs, "spec", "replicas", default=0)
        for rs in sets
    )


class Deployments(Controller):
    resource, watches, component = "deployments.apps", (RS,), "deployment-controller"

    def sync(self, namespace: str, name: str) -> float | None:
        deployment = self.get(namespace, name)
        if deployment is None:
            return None
        sets = self._sets(deployment)
        if is_deleting(deployment):
            self._report(deployment, None, sets)
            return None
        new = self._find_new(deployment, sets)
        if at(deployment, "spec", "paused"):
            if new is not None or sets:
                self._proportion(deployment, new, [rs for rs in sets if rs is not new])
            self._report(deployment, new, sets)
            return None
        old = [rs for rs in sets if new is None or name_of(rs) != name_of(new)]
        if at(deployment, "spec", "strategy", "type") == "Recreate":
            new = self._recreate(deployment, new, old)
        else:
            new = self._ensure_new(deployment, new, old)
            if not self._proportion(deployment, new, old):
                self._roll(deployment, new, old)
        self._clean_up(deployment, new)
        deployment = self.get(namespace, name) or deployment
        fresh = self._sets(deployment)
        return self._report(deployment, self._find_new(deployment, fresh), fresh)

    def _sets(self, deployment: Obj) -> list[Obj]:
        """The ReplicaSets of a Deployment, the oldest first; matching orphans are adopted."""
        found = pods.owned(self.client, deployment, RS)
        return sorted(found, key=lambda rs: (rs["metadata"]["creationTimestamp"], revision_of(rs)))

    def _find_new(self, deployment: Obj, sets: list[Obj]) -> Obj | None:
        """The ReplicaSet of the template as it is now."""
        wanted = bare_template(deployment["spec"]["template"])
        return next((rs for rs in sets if bare_template(rs["spec"]["template"]) == wanted), None)

    def _ensure_new(self, deployment: Obj, new: Obj | None, old: list[Obj]) -> Obj:
        """The new ReplicaSet, made when there is none, with the newest revision."""
        revision = max((revision_of(rs) for rs in old), default=0) + 1
        if new is None:
            new = self._create(deployment, old, str(revision))
        else:
            new = self._annotate(deployment, new, max(revision, revision_of(new)))
        if annotations_of(deployment).get(REVISION) != annotations_of(new)[REVISION]:
            self._set_revision(deployment, annotations_of(new)[REVISION])
        return new

    def _set_revision(self, deployment: Obj, revision: str) -> None:
        def edit(fresh: Obj) -> None:
            fresh["metadata"].setdefault("annotations", {})[REVISION] = revision

        self.client.change(self.resource, deployment, edit, status=True)

    def _annotate(self, deployment: Obj, rs: Obj, revision: int) -> Obj:
        before = annotations_of(rs)
        wanted = dict(before) | {
            k: v for k, v in annotations_of(deployment).items() if k not in NOT_COPIED
        }
        if revision != revision_of(rs):
            wanted[REVISION] = str(revision)
            if before.get(REVISION):
                history = [*filter(None, before.get(HISTORY, "").split(",")), before[REVISION]]
                wanted[HISTORY] = ",".join(history)[-REVISIONS_REMEMBERED:]
        wanted |= self._amounts(deployment)
        if wanted == before:
            return rs

        def edit(fresh: Obj) -> None:
            fresh["metadata"]["annotations"] = wanted

        return self.client.change(RS, rs, edit) or rs

    def _amounts(self, deployment: Obj) -> dict[str, str]:
        replicas = at(deployment, "spec", "replicas", default=0)
        return {DESIRED: str(replicas), MAXIMUM: str(replicas + budgets(deployment)[0])}

    def _create(self, deployment: Obj, old: list[Obj], revision: str) -> Obj:
        template = copy(deployment["spec"]["template"])
        collisions = at(deployment, "status", "collisionCount", default=0)
        digest = zlib.crc32(
            json.dumps([bare_template(template), collisions], sort_keys=True).encode()
        )
        suffix = safe_encode(digest)
        template.setdefault("metadata", {}).setdefault("labels", {})[HASH] = suffix
        selector = copy(deployment["spec"]["selector"])
        selector.setdefault("matchLabels", {})[HASH] = suffix
        replicas = self._new_size(deployment, 0, old)
        annotations = {k: v for k, v in annotations_of(deployment).items() if k not in NOT_COPIED}
        rs = self.client.create(
            RS,
            {
                "metadata": {
                    "name": f"{name_of(deployment)}-{suffix}",
                    "namespace": namespace_of(deployment),
                    "labels": template["metadata"]["labels"],
                    "annotations": annotations | {REVISION: revision} | self._amounts(deployment),
                    "ownerReferences": [owner_reference(deployment)],
                },
                "spec": {
                    "replicas": replicas,
                    "selector": selector,
                    "template": template,
                    "minReadySeconds": at(deployment, "spec", "minReadySeconds", default=0),
                },
            },
        )
        if replicas:
            self._say_scaled(deployment, rs, 0, replicas)
        return rs

    def _new_size(self, deployment: Obj, now_wanted: int, old: list[Obj]) -> int:
        """How far the new ReplicaSet may grow now."""
        replicas = int(at(deployment, "spec", "replicas", default=0))
        if at(deployment, "spec", "strategy", "type") == "Recreate":
            return replicas
        most = replicas + budgets(deployment)[0]
        total = now_wanted + replicas_of(old)
        return now_wanted + max(0, min(most - total, replicas - now_wanted))

    def _say_scaled(self, deployment: Obj, rs: Obj, before: int, after: int) -> None:
        direction = "up" if after > before else "down"
        message = f"Scaled {direction} replica set {name_of(rs)} from {before} to {after}"
        self.recorder.normal(deployment, "ScalingReplicaSet", message)

    def _scale(self, deployment: Obj, rs: Obj, replicas: int) -> Obj:
        before = at(rs, "spec", "replicas", default=0)
        if before == replicas:
            return rs

        def edit(fresh: Obj) -> None:
            fresh["spec"]["replicas"] = replicas
            fresh["metadata"].setdefault("annotations", {}).update(self._amounts(deployment))

        changed = self.client.change(RS, rs, edit)
        self._say_scaled(deployment, rs, before, replicas)
        return changed or rs

    def _recreate(self, deployment: Obj, new: Obj | None, old: list[Obj]) -> Obj | None:
        """Old Pods first go, all of them; only then new ones come."""
        for rs in old:
            self._scale(deployment, rs, 0)
        if any(self._pods_left(rs) for rs in old):
            return new
        new = self._ensure_new(deployment, new, old)
        return self._scale(deployment, new, at(deployment, "spec", "replicas", default=0))

    def _pods_left(self, rs: Obj) -> bool:
        return any(is_controlled_by(pod, rs) for pod in self.client.list("pods", namespace_of(rs)))

    def _proportion(self, deployment: Obj, new: Obj | None, old: list[Obj]) -> bool:
        """After a change of the Deployment's size, scale at once what there is. Returns whether
        that was the matter.
        """
        replicas = at(deployment, "spec", "replicas", default=0)
        active = [
            rs for rs in [*old, *([new] if new else [])] if at(rs, "spec", "replicas", default=0)
        ]
        resized = [
            rs for rs in active if annotations_of(rs).get(DESIRED, str(replicas)) != str(replicas)
        ]
        if not resized:
            return False
        if len(active) == 1:
            self._scale(deployment, active[0], replicas)
            return True
        allowed = replicas + budgets(deployment)[0]
        total = replicas_of(active)
        left = allowed - total
        for rs in sorted(
            active, key=lambda one: at(one, "spec", "replicas", default=0), reverse=left > 0
        ):
            size = at(rs, "spec", "replicas", default=0)
            share = int(math.copysign(math.ceil(abs(left) * size / total), left)) if total else left
            step = max(-size, min(share, left) if left > 0 else max(share, left))
            self._scale(deployment, rs, size + step)
            left -= step
        for rs in resized:
            self._annotate_amounts(deployment, rs)
        return True

    def _annotate_amounts(self, deployment: Obj, rs: Obj) -> None:
        def edit(fresh: Obj) -> None:
            fresh["metadata"].setdefault("annotations", {}).update(self._amounts(deployment))

        self.client.change(RS, rs, edit)

    def _roll(self, deployment: Obj, new: Obj, old: list[Obj]) -> None:
        """One step of a rolling update: the new set up as far as may be, or the old ones down as
        far as may be.
        """
        replicas = at(deployment, "spec", "replicas", default=0)
        size = at(new, "spec", "replicas", default=0)
        target = replicas if size > replicas else self._new_size(deployment, size, old)
        if target != size:
            self._scale(deployment, new, target)
            return
        if not replicas_of(old):
            return
        least = replicas - budgets(deployment)[1]
        unavailable = size - at(new, "status", "availableReplicas", default=0)
        spare = replicas_of([new, *old]) - least - unavailable
        if spare <= 0:
            return
        spare -= self._drop_unhealthy(deployment, old, spare)
        self._drop(deployment, old, least, new)

    def _drop_unhealthy(self, deployment: Obj, old: list[Obj], most: int) -> int:
        """Old Pods that are not available go first: nobody will miss them."""
        dropped = 0
        for rs in old:
            size = at(rs, "spec", "replicas", default=0)
            count = min(most - dropped, size - at(rs, "status", "availableReplicas", default=0))
            if count > 0:
                self._scale(deployment, rs, size - count)
                dropped += count
        return dropped

    def _drop(self, deployment: Obj, old: list[Obj], least: int, new: Obj) -> None:
        fresh = [self.client.get(RS, namespace_of(rs), name_of(rs)) or rs for rs in old]
        spare = replicas_of([*fresh, new], "availableReplicas") - least
        for rs in fresh:
            size = at(rs, "spec", "replicas", default=0)
            count = min(size, spare)
            if count > 0:
                self._scale(deployment, rs, size - count)
                spare -= count

    def _clean_up(self, deployment: Obj, new: Obj | None) -> None:
        """Forget the oldest ReplicaSets beyond the history's limit, once the rollout is
        complete.
        """
        limit = at(deployment, "spec", "revisionHistoryLimit", default=10)
        idle = [
            rs
            for rs in self._sets(deployment)
            if (new is None or name_of(rs) != name_of(new))
            and not at(rs, "spec", "replicas", default=0)
            and not at(rs, "status", "replicas", default=0)
            and not is_deleting(rs)
        ]
        for rs in sorted(idle, key=revision_of)[: max(0, len(idle) - limit)]:
            self.client.delete(RS, rs)

    # ------------------------------------------------------------------- status

    def _report(self, deployment: Obj, new: Obj | None, sets: list[Obj]) -> float | None:
        replicas = at(deployment, "spec", "replicas", default=0)
        total, available = replicas_of(sets, "replicas"), replicas_of(sets, "availableReplicas")
        updated = replicas_of([new], "replicas") if new else 0
        status = nonzero(
            replicas=total,
            updatedReplicas=updated,
            readyReplicas=replicas_of(sets, "readyReplicas"),
            availableReplicas=available,
            unavailableReplicas=max(0, replicas_of(sets) - available),
        )
        status["observedGeneration"] = deployment["metadata"].get("generation", 1)
        status["terminatingReplicas"] = replicas_of(sets, "terminatingReplicas")
        conditions = {c["type"]: c for c in at(deployment, "status", "conditions", default=[])}
        if (
            new is not None
            and "Progressing" not in conditions
            and not at(deployment, "spec", "paused")
        ):
            _set(
                conditions,
                "Progressing",
                "True",
                "NewReplicaSetCreated",
                f'Created new replica set "{name_of(new)}"',
            )
        enough = available >= replicas - budgets(deployment)[1]
        _set(
            conditions,
            "Available",
            "True" if enough else "False",
            "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
            (
                "Deployment has minimum availability."
                if enough
                else "Deployment does not have minimum availability."
            ),
        )
        again = self._progress(deployment, new, sets, status, conditions)
        failing = next((c for rs in sets if (c := condition(rs, "ReplicaFailure"))), None)
        conditions.pop("ReplicaFailure", None)
        if failing:
            _set(conditions, "ReplicaFailure", "True", failing["reason"], failing["message"])
        status["conditions"] = list(conditions.values())
        self.client.set_status(self.resource, deployment, status)
        return again

    def _progress(
        self,
        deployment: Obj,
        new: Obj | None,
        sets: list[Obj],
        status: Obj,
        conditions: dict[str, Obj],
    ) -> float | None:
        """The Progressing condition: is the rollout under way, complete, or too slow?"""
        spec, before = deployment["spec"], deployment.get("status") or {}
        deadline = spec.get("progressDeadlineSeconds")
        if deadline is None or (new is None and not spec.get("paused")):
            return None
        which = f'ReplicaSet "{name_of(new)}"' if new else f'Deployment "{name_of(deployment)}"'
        known = conditions.get("Progressing")
        if spec.get("paused"):
            if known is None or known["reason"] != "DeploymentPaused":
                _set(
                    conditions, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused"
                )
            return None
        if known is not None and known["reason"] == "DeploymentPaused":
            _set(conditions, "Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed")
        replicas = spec.get("replicas", 0)
        complete = (
            status.get("updatedReplicas", 0)
            == replicas
            == status.get("replicas", 0)
            == status.get("availableReplicas", 0)
        )
        if complete:
            _set(
                conditions,
                "Progressing",
                "True",
                "NewReplicaSetAvailable",
                f"{which} has successfully progressed.",
            )
            return None
        names = ("updatedReplicas", "readyReplicas", "availableReplicas")
        moved = any(status.get(name, 0) > before.get(name, 0) for name in names) or status.get(
            "replicas", 0
        ) < before.get("replicas", 0)
        if known is None:
            return None
        if moved or (
            known["reason"] == "NewReplicaSetAvailable" and self._outdated(deployment, new)
        ):
            _set(
                conditions,
                "Progressing",
                "True",
                "ReplicaSetUpdated",
                f"{which} is progressing.",
                touch=True,
            )
        elif (
            known["reason"] != "NewReplicaSetAvailable"
            and seconds_since(known["lastUpdateTime"]) > deadline
        ):
            _set(
                conditions,
                "Progressing",
                "False",
                "ProgressDeadlineExceeded",
                f"{which} has timed out progressing.",
            )
            return None
        return max(
            1.0, float(deadline) - seconds_since(conditions["Progressing"]["lastUpdateTime"]) + 1
        )

    def _outdated(self, deployment: Obj, new: Obj | None) -> bool:
        """Whether a new version is being rolled out, and not merely a Pod missing."""
        return new is not None and name_of(new) not in (
            condition(deployment, "Progressing") or {}
        ).get("message", "")


def _set(
    conditions: dict[str, Obj],
    kind: str,
    status: str,
    reason: str,
    message: str,
    *,
    touch: bool = False,
) -> None:
    before = conditions.get(kind)
    if (
        before
        and (before["status"], before["reason"], before["message"]) == (status, reason, message)
        and not touch
    ):
        return
    conditions.pop(kind, None)
    conditions[kind] = new_condition(before, kind, status, reason, message) | {
        "lastUpdateTime": now()
    }
