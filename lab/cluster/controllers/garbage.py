"""The garbage collector: what an owner leaves behind goes with it, and what must wait for dependents waits."""

from collections.abc import Iterable

from lab.cluster.controllers.base import Controller
from lab.cluster.objects import Obj, is_deleting, namespace_of, uid_of
from lab.cluster.registry import FOREGROUND, ORPHAN
from lab.cluster.store import Event


class GarbageCollector(Controller):
    """Its keys are uids: of objects that are gone or going. The queue's other keys do not concern it."""

    component = "garbage-collector-controller"

    def on(self, event: Event) -> None:
        if event.kind == "DELETED":
            self.enqueue(uid_of(event.obj))
            for owner in event.obj["metadata"].get("ownerReferences") or []:
                self.enqueue(owner["uid"])
        elif is_deleting(event.obj) and set(event.obj["metadata"].get("finalizers") or []) & {FOREGROUND, ORPHAN}:
            self.enqueue(uid_of(event.obj))
        elif event.kind == "ADDED" and event.obj["metadata"].get("ownerReferences"):
            for owner in event.obj["metadata"]["ownerReferences"]:
                self.enqueue(owner["uid"])

    def enqueue_all(self) -> None:
        """After a start: every owner that anything names."""
        for _, obj in self._everything():
            for owner in obj["metadata"].get("ownerReferences") or []:
                self.enqueue(owner["uid"])
            if is_deleting(obj):
                self.enqueue(uid_of(obj))

    def sync(self, namespace: str, name: str) -> float | None:
        owner, dependents = None, []
        for resource, obj in self._everything():
            if uid_of(obj) == name:
                owner = (resource, obj)
            if any(reference["uid"] == name for reference in obj["metadata"].get("ownerReferences") or []):
                dependents.append((resource, obj))
        if owner is None:
            for resource, obj in dependents:
                self._orphaned(resource, obj, name)
        elif is_deleting(owner[1]):
            self._going(owner, dependents)
        return None

    def _everything(self) -> Iterable[tuple[str, Obj]]:
        store = self.client.registry.store
        for resource in store.resources():
            for obj in store.list(resource):
                yield resource, obj

    def _orphaned(self, resource: str, obj: Obj, owner: str) -> None:
        """Its owner is gone: so is the object, unless another owner is left."""
        others = [
            r for r in obj["metadata"]["ownerReferences"] if r["uid"] != owner and self._exists(r, namespace_of(obj))
        ]
        if others:

            def edit(fresh: Obj) -> None:
                fresh["metadata"]["ownerReferences"] = others

            self.client.change(resource, obj, edit)
        elif not is_deleting(obj):
            self.client.delete(resource, obj)

    def _exists(self, reference: Obj, namespace: str) -> bool:
        found = self.client.registry.resources.by_kind(reference["apiVersion"], reference["kind"])
        if found is None:
            return False
        owner = self.client.get(found.stored_as, namespace if found.namespaced else "", reference["name"])
        return owner is not None and uid_of(owner) == reference["uid"]

    def _going(self, owner: tuple[str, Obj], dependents: list[tuple[str, Obj]]) -> None:
        resource, obj = owner
        finalizers = obj["metadata"].get("finalizers") or []
        if ORPHAN in finalizers:
            for kind, dependent in dependents:

                def forget(fresh: Obj) -> None:
                    fresh["metadata"]["ownerReferences"] = [
                        r for r in fresh["metadata"]["ownerReferences"] if r["uid"] != uid_of(obj)
                    ]

                self.client.change(kind, dependent, forget)
            self._finish(resource, obj, ORPHAN)
        elif FOREGROUND in finalizers:
            for kind, dependent in dependents:
                if not is_deleting(dependent):
                    self.client.delete(kind, dependent, propagation="Foreground" if kind != "pods" else "Background")
            if not dependents:
                self._finish(resource, obj, FOREGROUND)

    def _finish(self, resource: str, obj: Obj, finalizer: str) -> None:
        def edit(fresh: Obj) -> None:
            fresh["metadata"]["finalizers"] = [f for f in fresh["metadata"].get("finalizers") or [] if f != finalizer]

        self.client.change(resource, obj, edit)
