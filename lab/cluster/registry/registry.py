"""The registry: how each resource is created, read, changed and deleted. Every write of the cluster
goes through it.

What comes from a request and what comes from a controller is treated alike; methods run to their
end without awaiting.
"""

from collections.abc import Callable

from lab.cluster.model.errors import (
    already_exists,
    go_print,
    go_value,
    invalid,
    invalid_value,
    not_found,
)
from lab.cluster.model.objects import Obj, copy, is_deleting, name_of
from lab.cluster.model.resources import Resource, Resources
from lab.cluster.model.schema import MistypedError, Schemas
from lab.cluster.registry import admission
from lab.cluster.registry.call import Call, DeleteOptions
from lab.cluster.registry.conversion import from_storage, to_storage
from lab.cluster.registry.deletion import check_preconditions, mark, waits
from lab.cluster.registry.managedfields import apply, track_update
from lab.cluster.registry.store import Key, Store
from lab.cluster.registry.strategy import Strategy, keep_all_but_status

# What an update never changes.
KEPT = (
    "uid creationTimestamp deletionTimestamp deletionGracePeriodSeconds namespace generation"
).split()


class Registry:
    """All resources over one store: what the API server's handlers and the controllers share.

    A real API server has a registry for each resource; here one serves all, and what differs
    between kinds is in tables (``defaults``, ``kinds``, ``validation``, ``admission``). Controllers
    reach it through ``Client``, requests through ``Rest`` and ``Subresources``.
    """

    def __init__(self, store: Store, resources: Resources, schemas: Schemas) -> None:
        self.store, self.resources, self.schemas = store, resources, schemas
        self.strategy = Strategy(store, schemas)

    def key(self, resource: Resource, namespace: str, name: str) -> Key:
        return (resource.stored_as, namespace if resource.namespaced else "", name)

    def get(self, resource: Resource, namespace: str, name: str) -> Obj:
        """The object as this version of the resource has it. APIError (404) when there is none."""
        stored = self.store.get(self.key(resource, namespace, name))
        if stored is None:
            raise not_found(resource.group, resource.plural, name)
        return from_storage(resource, stored)

    def all(self, resource: Resource, namespace: str = "") -> list[Obj]:
        """All objects, of one namespace or of all."""
        stored = self.store.list(resource.stored_as, namespace)
        return [from_storage(resource, obj) for obj in stored]

    def _put(self, resource: Resource, namespace: str, obj: Obj) -> Obj:
        key = self.key(resource, namespace, name_of(obj))
        return from_storage(resource, self.store.put(key, to_storage(resource, obj)))

    def create(self, resource: Resource, namespace: str, given: Obj, call: Call) -> Obj:
        """Make an object. APIError (4xx) when it may not be made."""
        obj = self.strategy.decode(resource, given, call)
        meta = obj.setdefault("metadata", {})
        self.strategy.place(resource, namespace, meta)
        if resource.namespaced:
            admission.check_namespace(
                self.store, namespace, resource.plural, resource.group, meta.get("name", "")
            )
        self.strategy.prepare_for_create(resource, obj, call)
        if self.store.get(self.key(resource, namespace, meta.get("name", ""))) is not None:
            raise already_exists(resource.group, resource.plural, meta["name"])
        self.strategy.validate_for_create(resource, obj, call)
        if call.dry_run:
            return obj
        return self._put(resource, namespace, obj)

    def update(self, resource: Resource, namespace: str, name: str, given: Obj, call: Call) -> Obj:
        """Replace an object, or only its status when ``call.subresource`` says so."""
        old = self.get(resource, namespace, name)
        new = self.strategy.decode(resource, given, call)
        self.strategy.check_identity(resource, old, new, name)
        return self._write(resource, old, new, call)

    def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        change: Callable[[Obj], Obj],
        call: Call,
    ) -> Obj:
        """Change an object by a function of a copy of it."""
        old = self.get(resource, namespace, name)
        new = change(copy(old))
        if new == old and call.validation == "Ignore":
            return old
        try:
            new = self.strategy.decode(resource, new, call)
        except MistypedError as error:
            shown, why = go_value(new), error.why
            if call.patch:
                shown, why = go_print(call.patch), error.conversion
            raise invalid("", "", "", [invalid_value("patch", shown, why)]) from error
        self.strategy.check_identity(resource, old, new, name)
        return self._write(resource, old, new, call)

    def apply(
        self, resource: Resource, namespace: str, name: str, config: Obj, call: Call, *, force: bool
    ) -> Obj:
        """Server-side apply; creates what does not exist."""
        schema, walk = self.schemas.of(resource), self.strategy.walk
        config = self.strategy.decode(resource, config, call)
        config["metadata"].pop("managedFields", None)
        live = self.store.get(self.key(resource, namespace, name))
        if live is None:
            config["metadata"].setdefault("name", name)
            applied = apply(walk, {}, config, schema, call.manager, force=True)
            fields = applied["metadata"].pop("managedFields", [])
            return self._create_applied(resource, namespace, applied, fields, call)
        manager, part = call.manager, call.subresource
        merged = apply(walk, copy(live), config, schema, manager, force=force, subresource=part)
        self.strategy.check_identity(resource, live, merged, name)
        fields = merged["metadata"].get("managedFields")
        return self._write(resource, live, merged, call, fields=fields)

    def _create_applied(
        self, resource: Resource, namespace: str, obj: Obj, fields: list[Obj], call: Call
    ) -> Obj:
        dry = Call(call.manager, "", True, "Ignore", call.warnings)
        created = self.create(resource, namespace, obj, dry)
        created["metadata"]["managedFields"] = fields
        return created if call.dry_run else self._put(resource, namespace, created)

    def _write(
        self, resource: Resource, old: Obj, new: Obj, call: Call, *, fields: list[Obj] | None = None
    ) -> Obj:
        meta, before = new["metadata"], old["metadata"]
        for key in KEPT:
            meta.pop(key, None)
            if key in before:
                meta[key] = before[key]
        if call.subresource == "status":
            keep_all_but_status(old, new)
        elif call.subresource == "ephemeralcontainers":
            self.strategy.update_ephemeral(resource, old, new)
        else:
            self.strategy.update(resource, old, new, call)
        if fields is None:
            schema = self.schemas.of(resource)
            track_update(self.strategy.walk, old, new, schema, call.manager, call.subresource)
        meta["resourceVersion"] = before["resourceVersion"]
        if _same(old, new):
            return old
        if call.dry_run:
            return new
        namespace = before.get("namespace", "")
        stored = self._put(resource, namespace, new)
        if is_deleting(stored) and not waits(resource, stored):
            return self.store.delete(self.key(resource, namespace, before["name"]))
        return stored

    def delete(
        self, resource: Resource, namespace: str, name: str, options: DeleteOptions, call: Call
    ) -> tuple[Obj, bool]:
        """Delete an object, or mark it. Returns its last state, and whether it is gone."""
        obj = self.get(resource, namespace, name)
        check_preconditions(resource, obj, options)
        admission.check_deletion(resource.qualified, name)
        if call.dry_run:
            return obj, True
        marked = mark(resource, obj, options)
        if not waits(resource, marked):
            return self.store.delete(self.key(resource, namespace, name)), True
        if _same(obj, marked):
            return obj, False
        return self.store.put(self.key(resource, namespace, name), marked), False


def _same(old: Obj, new: Obj) -> bool:
    """Whether nothing but the times of managers differs."""

    def bare(obj: Obj) -> Obj:
        entries = [{**entry, "time": ""} for entry in obj["metadata"].get("managedFields") or []]
        return obj | {
            "metadata": {**obj["metadata"], "managedFields": entries, "resourceVersion": ""}
        }

    return bare(old) == bare(new)
