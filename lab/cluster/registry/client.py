"""The API as the cluster's own parts use it: in this process, each under its manager's name."""

from collections.abc import Callable

from lab.cluster.model.errors import APIError
from lab.cluster.model.objects import Obj, name_of, namespace_of
from lab.cluster.registry.call import Call, DeleteOptions
from lab.cluster.registry.registry import Registry


class Client:
    """What a controller may ask: resources by ``deployments.apps``.

    Objects it gets are shared: copy before changing.
    """

    def __init__(self, registry: Registry, manager: str) -> None:
        self.registry, self.manager = registry, manager

    def get(self, resource: str, namespace: str, name: str) -> Obj | None:
        return self.registry.store.get((resource, namespace, name))

    def list(self, resource: str, namespace: str = "") -> list[Obj]:
        return self.registry.store.list(resource, namespace)

    def create(self, resource: str, obj: Obj) -> Obj:
        return self.registry.create(
            self.registry.resources.named(resource), namespace_of(obj), obj, self._call()
        )

    def update(self, resource: str, obj: Obj) -> Obj:
        """Replace an object; APIError (409) when it has changed since it was read."""
        served = self.registry.resources.named(resource)
        return self.registry.update(served, namespace_of(obj), name_of(obj), obj, self._call())

    def change(
        self, resource: str, obj: Obj, change: Callable[[Obj], Obj | None], *, status: bool = False
    ) -> Obj | None:
        """Change the object as it is now, by a function of a copy. None when it is gone."""

        def edit(fresh: Obj) -> Obj:
            edited = change(fresh)
            return fresh if edited is None else edited

        call = self._call("status" if status else "")
        try:
            return self.registry.patch(
                self.registry.resources.named(resource), namespace_of(obj), name_of(obj), edit, call
            )
        except APIError as error:
            if error.code == 404:
                return None
            raise

    def set_status(self, resource: str, obj: Obj, status: Obj) -> Obj | None:
        def edit(fresh: Obj) -> None:
            fresh["status"] = status

        return self.change(resource, obj, edit, status=True)

    def remove_finalizer(self, resource: str, obj: Obj, finalizer: str) -> None:
        def edit(fresh: Obj) -> None:
            fresh["metadata"]["finalizers"] = [
                f for f in fresh["metadata"].get("finalizers") or [] if f != finalizer
            ]

        self.change(resource, obj, edit)

    def delete(
        self,
        resource: str,
        obj: Obj,
        *,
        grace: int | None = None,
        propagation: str | None = "Background",
    ) -> None:
        """Delete this very object; one that is gone, or another of its name, is left alone."""
        options = DeleteOptions(grace, propagation, obj["metadata"].get("uid"))
        try:
            self.registry.delete(
                self.registry.resources.named(resource),
                namespace_of(obj),
                name_of(obj),
                options,
                self._call(),
            )
        except APIError as error:
            if error.code not in (404, 409):
                raise

    def _call(self, subresource: str = "") -> Call:
        return Call(self.manager, subresource, validation="Ignore")
