"""Namespaces: when one is deleted, all that is in it goes first."""

from lab.cluster.controllers.base import Controller
from lab.cluster.model.objects import Obj, at, is_deleting

LOOK_AGAIN = 0.2


class Namespaces(Controller):
    """Empties a namespace that is being deleted, and then lets it go."""

    resource, component = "namespaces", "namespace-controller"

    def sync(self, namespace: str, name: str) -> float | None:
        namespace_object = self.get("", name)
        if namespace_object is None or not is_deleting(namespace_object):
            return None
        left = 0
        store = self.client.registry.store
        for resource in list(store.resources()):
            for obj in store.list(resource, name) if resource != "namespaces" else []:
                left += 1
                if not is_deleting(obj):
                    self.client.delete(resource, obj)
        if left and any(
            store.list(resource, name)
            for resource in store.resources()
            if resource not in ("namespaces",)
        ):
            return LOOK_AGAIN
        self._finish(namespace_object)
        return None

    def _finish(self, namespace: Obj) -> None:
        """Take off the finalizer that holds the namespace, as the ``finalize`` subresource does."""
        registry = self.client.registry
        key = ("namespaces", "", namespace["metadata"]["name"])
        current = registry.store.get(key)
        if current is None:
            return
        kept = [f for f in at(current, "spec", "finalizers", default=[]) if f != "kubernetes"]
        if kept or current["metadata"].get("finalizers"):
            registry.store.put(key, current | {"spec": {"finalizers": kept}})
        else:
            registry.store.delete(key)
