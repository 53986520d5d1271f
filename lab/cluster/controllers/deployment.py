"""Deployments: a ReplicaSet for each version of the template, and the way from one to the next."""

import json
import zlib

from lab.cluster.controllers import pods
from lab.cluster.controllers.base import Controller
from lab.cluster.controllers.progress import status_of
from lab.cluster.controllers.rollout import budgets, new_size, replicas_of, shares
from lab.cluster.model.objects import (
    Obj,
    annotations_of,
    at,
    copy,
    is_controlled_by,
    is_deleting,
    name_of,
    namespace_of,
    owner_reference,
    safe_encode,
)

RS = "replicasets.apps"
REVISION, HISTORY = "deployment.kubernetes.io/revision", "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
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


def bare_template(template: Obj) -> Obj:
    """The template without the label that tells versions apart."""
    bare = copy(template)
    labels = (bare.get("metadata") or {}).get("labels")
    if labels:
        labels.pop(HASH, None)
    return bare


class Deployments(Controller):
    """Rolls a Deployment's Pods from one version of its template to the next.

    Each version has a ReplicaSet, found again by its template; a sync takes one step of the rollout
    by scaling them, and the events of the ReplicaSets lead to the next. Left out: rollbacks by
    ``spec.rollbackTo``, which kubectl no longer uses. ``base.run`` calls it.
    """

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
        owned = pods.owned(self.client, deployment, RS)
        return sorted(owned, key=lambda rs: (rs["metadata"]["creationTimestamp"], revision_of(rs)))

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
        replicas = new_size(deployment, 0, old)
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
        """Whether the Deployment's size has changed: then what there is, is scaled at once."""
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
        grows = allowed > replicas_of(active)
        ordered = sorted(active, key=lambda rs: replicas_of([rs]), reverse=grows)
        for rs, size in zip(
            ordered, shares([replicas_of([rs]) for rs in ordered], allowed), strict=True
        ):
            self._scale(deployment, rs, size)
        for rs in resized:
            self._annotate_amounts(deployment, rs)
        return True

    def _annotate_amounts(self, deployment: Obj, rs: Obj) -> None:
        def edit(fresh: Obj) -> None:
            fresh["metadata"].setdefault("annotations", {}).update(self._amounts(deployment))

        self.client.change(RS, rs, edit)

    def _roll(self, deployment: Obj, new: Obj, old: list[Obj]) -> None:
        """One step of a rolling update: the new set up, or the old ones down, as far as may be."""
        replicas = at(deployment, "spec", "replicas", default=0)
        size = at(new, "spec", "replicas", default=0)
        target = replicas if size > replicas else new_size(deployment, size, old)
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
        """Old Pods that are not available go first: no one will miss them."""
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
        """Forget the oldest ReplicaSets beyond the history's limit."""
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

    def _report(self, deployment: Obj, new: Obj | None, sets: list[Obj]) -> float | None:
        """Write the status. Seconds until the rollout counts as stuck, or None."""
        status, again = status_of(deployment, new, sets)
        self.client.set_status(self.resource, deployment, status)
        return again
