"""The garbage collector: what an owner leaves goes with it, or waits for its dependents."""

from lab.cluster.controllers.base import Controller
from lab.cluster.model.objects import Obj, is_deleting, namespace_of, uid_of
from lab.cluster.registry.client import Client
from lab.cluster.registry.deletion import FOREGROUND, ORPHAN
from lab.cluster.registry.store import Event, Key

BURST = 50  # objects deleted in one go: others want their turn


class GarbageCollector(Controller):
    """Its keys are uids of owners.

    It knows where each is, and which objects name it as theirs: the graph of a real cluster's
    collector.
    """

    component = "garbage-collector-controller"

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._places: dict[str, Key] = {}  # an object's uid to its key
        self._dependents: dict[str, set[Key]] = {}  # an owner's uid to the keys of its dependents

    def on(self, event: Event) -> None:
        before = _owners(event.before) if event.before else set()
        after = set() if event.kind == "DELETED" else _owners(event.obj)
        for uid in before - after:
            self._dependents.get(uid, set()).discard(event.key)
        self._note(event.key, event.obj)
        if event.kind == "DELETED":
            del self._places[uid_of(event.obj)]
            for uid in (uid_of(event.obj), *before):
                if uid in self._dependents:
                    self.enqueue(uid)
        elif is_deleting(event.obj) and set(event.obj["metadata"].get("finalizers") or []) & {
            FOREGROUND,
            ORPHAN,
        }:
            self.enqueue(uid_of(event.obj))
        for uid in after - before:
            self.enqueue(uid)

    def _note(self, key: Key, obj: Obj) -> None:
        self._places[uid_of(obj)] = key
        for uid in _owners(obj) if self.client.get(*key) is not None else ():
            self._dependents.setdefault(uid, set()).add(key)

    def enqueue_all(self) -> None:
        """After a start: every owner that anything names, and all that is going."""
        store = self.client.registry.store
        for resource in store.resources():
            for obj in store.list(resource):
                self._note((resource, namespace_of(obj), obj["metadata"]["name"]), obj)
                if is_deleting(obj):
                    self.enqueue(uid_of(obj))
        for uid in self._dependents:
            self.enqueue(uid)

    def sync(self, namespace: str, name: str) -> float | None:
        owner = self._at(self._places.get(name), name)
        found = [(key[0], self.client.get(*key)) for key in sorted(self._dependents.get(name, ()))]
        dependents = [(resource, obj) for resource, obj in found if obj and name in _owners(obj)]
        if owner is None:
            for resource, obj in dependents[:BURST]:
                self._orphaned(resource, obj, name)
            if len(dependents) > BURST:
                return 0.0
            if not dependents:
                self._dependents.pop(name, None)
        elif is_deleting(owner):
            self._going(self._places[name][0], owner, dependents)
        return None

    def _at(self, key: Key | None, uid: str) -> Obj | None:
        obj = self.client.get(*key) if key else None
        return obj if obj is not None and uid_of(obj) == uid else None

    def _orphaned(self, resource: str, obj: Obj, owner: str) -> None:
        """Its owner is gone: so is the object, unless another owner is left."""
        listed = obj["metadata"].get("ownerReferences") or []
        others = [
            r
            for r in listed
            if r["uid"] != owner and self._at(self._places.get(r["uid"]), r["uid"])
        ]
        if others:

            def edit(fresh: Obj) -> None:
                fresh["metadata"]["ownerReferences"] = others

            self.client.change(resource, obj, edit)
        elif not is_deleting(obj):
            self.client.delete(resource, obj)

    def _going(self, resource: str, obj: Obj, dependents: list[tuple[str, Obj]]) -> None:
        finalizers = obj["metadata"].get("finalizers") or []
        if ORPHAN in finalizers:
            for kind, dependent in dependents:

                def forget(fresh: Obj) -> None:
                    fresh["metadata"]["ownerReferences"] = [
                        r
                        for r in fresh["metadata"].get("ownerReferences") or []
                        if r["uid"] != uid_of(obj)
                    ]

                self.client.change(kind, dependent, forget)
            self.client.remove_finalizer(resource, obj, ORPHAN)
        elif FOREGROUND in finalizers:
            for kind, dependent in dependents:
                if not is_deleting(dependent):
                    self.client.delete(
                        kind,
                        dependent,
                        propagation="Foreground" if kind != "pods" else "Background",
                    )
            if not dependents:
                self.client.remove_finalizer(resource, obj, FOREGROUND)


def _owners(obj: Obj) -> set[str]:
    return {reference["uid"] for reference in obj["metadata"].get("ownerReferences") or []}
