"""The registry: how each resource is created, read, changed and deleted. Every write of the cluster
goes through it.

What comes from a request and what comes from a controller is treated alike; methods run to their
end without awaiting.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from lab.cluster.model.errors import (
    APIError,
    already_exists,
    bad_request,
    conflict,
    go_print,
    go_value,
    invalid,
    invalid_value,
    not_found,
)
from lab.cluster.model.objects import Obj, at, copy, is_deleting, name_of, now, random_suffix
from lab.cluster.model.resources import Resource, Resources
from lab.cluster.model.schema import MistypedError, Schemas, cannot_handle
from lab.cluster.registry import admission, validation
from lab.cluster.registry.addresses import allocate_service
from lab.cluster.registry.conversion import from_storage, to_storage
from lab.cluster.registry.defaults import fill_in, set_defaults
from lab.cluster.registry.kinds import keep_kind, pod_warnings, prepare_kind, qos_class
from lab.cluster.registry.managedfields import FieldWalk, apply, track_update
from lab.cluster.registry.store import Key, Store
from lab.cluster.registry.validation.pods import ephemeral_update

WITHOUT_GENERATION = frozenset(
    {
        "configmaps",
        "secrets",
        "services",
        "serviceaccounts",
        "namespaces",
        "nodes",
        "events",
        "endpoints",
        "limitranges",
        "persistentvolumes",
        "persistentvolumeclaims",
        "resourcequotas",
        "leases.coordination.k8s.io",
        "podtemplates",
        "events.events.k8s.io",
        "roles.rbac.authorization.k8s.io",
        "rolebindings.rbac.authorization.k8s.io",
        "clusterroles.rbac.authorization.k8s.io",
        "clusterrolebindings.rbac.authorization.k8s.io",
        "horizontalpodautoscalers.autoscaling",
        "controllerrevisions.apps",
        "storageclasses.storage.k8s.io",
    }
)
KEPT = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "namespace",
    "generation",
)
STATUS_DEFAULTS: dict[str, Obj] = {"pods": {"phase": "Pending"}}
FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


@dataclass
class Call:
    """How a request is made: by which field manager, for which subresource, and whether for
    real.
    """

    manager: str = "unknown"
    subresource: str = ""
    dry_run: bool = False
    validation: str = "Strict"
    warnings: list[str] = field(default_factory=list)
    patch: Obj | None = None  # a strategic patch, to be shown when it cannot be done


@dataclass(frozen=True)
class DeleteOptions:
    grace_seconds: int | None = None
    propagation: str | None = None
    uid: str | None = None
    revision: str | None = None


class Registry:
    def __init__(self, store: Store, resources: Resources, schemas: Schemas) -> None:
        self.store, self.resources, self.schemas = store, resources, schemas
        self.walk = FieldWalk(schemas)

    def key(self, resource: Resource, namespace: str, name: str) -> Key:
        return (resource.stored_as, namespace if resource.namespaced else "", name)

    def get(self, resource: Resource, namespace: str, name: str) -> Obj:
        found = self.store.get(self.key(resource, namespace, name))
        if found is None:
            raise not_found(resource.group, resource.plural, name)
        return from_storage(resource, found)

    def all(self, resource: Resource, namespace: str = "") -> list[Obj]:
        return [
            from_storage(resource, obj) for obj in self.store.list(resource.stored_as, namespace)
        ]

    def _put(self, resource: Resource, namespace: str, obj: Obj) -> Obj:
        return from_storage(
            resource,
            self.store.put(self.key(resource, namespace, name_of(obj)), to_storage(resource, obj)),
        )

    # ------------------------------------------------------------------ create

    def create(self, resource: Resource, namespace: str, given: Obj, call: Call) -> Obj:
        obj = self._decode(resource, given, call)
        meta = obj.setdefault("metadata", {})
        self._place(resource, namespace, meta)
        if resource.namespaced:
            admission.check_namespace(
                self.store, namespace, resource.plural, resource.group, meta.get("name", "")
            )
        self._prepare_new(resource, obj, call)
        if self.store.get(self.key(resource, namespace, meta.get("name", ""))) is not None:
            raise already_exists(resource.group, resource.plural, meta["name"])
        self._validate_new(resource, obj, call)
        if call.dry_run:
            return obj
        return self._put(resource, namespace, obj)

    def _place(self, resource: Resource, namespace: str, meta: Obj) -> None:
        """Settle name and namespace of a new object."""
        if meta.get("namespace") and resource.namespaced and meta["namespace"] != namespace:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the"
                f" request: {meta['namespace']} != {namespace}"
            )
        meta.pop("namespace", None)
        if resource.namespaced:
            meta["namespace"] = namespace
        if meta.get("resourceVersion"):
            raise APIError(
                400, "BadRequest", "resourceVersion should not be set on objects to be created"
            )
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = str(meta["generateName"])[:58] + random_suffix()
        for key in (
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
            "generation",
            "managedFields",
        ):
            meta.pop(key, None)
        meta["uid"], meta["creationTimestamp"] = str(uuid4()), now()

    def _prepare_new(self, resource: Resource, obj: Obj, call: Call) -> None:
        if "status" in resource.subresources:
            obj.pop("status", None)
        properties = self.schemas.of(resource).get("properties") or {}
        self._set_defaults(resource, obj)
        # A manager owns what it sent and what was filled in by default, not what admission adds.
        stateless = {
            key: value
            for key, value in obj.items()
            if key != "status" or "status" not in resource.subresources
        }
        track_update(self.walk, {}, stateless, self.schemas.of(resource), call.manager, "")
        if "status" in properties and resource.crd is None:
            obj.setdefault("status", copy(STATUS_DEFAULTS.get(resource.qualified, {})))
        if resource.qualified not in WITHOUT_GENERATION:
            obj["metadata"]["generation"] = 1
        prepare_kind(resource.qualified, obj)

    def _validate_new(self, resource: Resource, obj: Obj, call: Call) -> None:
        valid_spec = isinstance(obj.get("spec"), dict) or "spec" not in obj
        if valid_spec:
            admission.mutate(self.store, resource.qualified, obj)
        self._check(resource, validation.on_create(resource, obj), obj)
        self._check_custom(resource, obj)
        if resource.qualified == "pods":
            obj["status"]["qosClass"] = qos_class(obj)
        if resource.qualified == "services":
            self._check(resource, allocate_service(self.store, obj, None), obj)
        admission.validate(self.store, resource.qualified, obj)
        call.warnings += pod_warnings(resource.qualified, obj)

    def _decode(self, resource: Resource, given: Obj, call: Call) -> Obj:
        if given.get("kind") not in (None, resource.kind):
            raise bad_request(
                f'{given.get("kind")} in version "{given.get("apiVersion")}" cannot be handled as a'
                f' {resource.kind}: no kind "{given.get("kind")}" is registered for version'
                f' "{resource.api_version}"'
            )
        if not isinstance(given.get("metadata") or {}, dict):
            raise bad_request(
                cannot_handle(
                    resource,
                    "json: cannot unmarshal into Go struct field .metadata of type v1.ObjectMeta",
                )
            )
        decoded = self.schemas.decode(given, resource)
        if decoded.unknown and call.validation == "Strict":
            raise bad_request(
                cannot_handle(resource, f"strict decoding error: {', '.join(decoded.unknown)}")
            )
        if call.validation == "Warn":
            call.warnings += decoded.unknown
        obj = decoded.obj
        obj["apiVersion"], obj["kind"] = resource.api_version, resource.kind
        obj["metadata"] = obj.get("metadata") or {}
        return obj

    def _check(self, resource: Resource, errors: list[Any], obj: Obj) -> None:
        if errors:
            raise invalid(resource.group, resource.kind, name_of(obj), errors)

    def _set_defaults(self, resource: Resource, obj: Obj) -> None:
        set_defaults(resource.qualified, obj)
        if resource.crd is not None:
            fill_in(obj, self.schemas.of(resource))

    def _check_custom(self, resource: Resource, obj: Obj) -> None:
        if resource.crd is not None:
            from lab.cluster.registry.custom import errors_of

            self._check(resource, errors_of(obj, self.schemas.of(resource)), obj)

    # ------------------------------------------------------------------ update

    def update(self, resource: Resource, namespace: str, name: str, given: Obj, call: Call) -> Obj:
        """Replace an object, or only its status when ``call.subresource`` says so."""
        old = self.get(resource, namespace, name)
        new = self._decode(resource, given, call)
        self._check_same(resource, old, new, name)
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
            new = self._decode(resource, new, call)
        except MistypedError as error:
            shown, why = (
                (go_print(call.patch), error.conversion)
                if call.patch
                else (go_value(new), error.why)
            )
            raise invalid("", "", "", [invalid_value("patch", shown, why)]) from error
        self._check_same(resource, old, new, name)
        return self._write(resource, old, new, call)

    def apply(
        self, resource: Resource, namespace: str, name: str, config: Obj, call: Call, *, force: bool
    ) -> Obj:
        """Server-side apply; creates what does not exist."""
        schema = self.schemas.of(resource)
        config = self._decode(resource, config, call)
        config["metadata"].pop("managedFields", None)
        live = self.store.get(self.key(resource, namespace, name))
        if live is None:
            config["metadata"].setdefault("name", name)
            applied = apply(self.walk, {}, config, schema, call.manager, force=True)
            fields = applied["metadata"].pop("managedFields", [])
            return self._create_applied(resource, namespace, applied, fields, call)
        merged = apply(
            self.walk,
            copy(live),
            config,
            schema,
            call.manager,
            force=force,
            subresource=call.subresource,
        )
        self._check_same(resource, live, merged, name)
        return self._write(
            resource, live, merged, call, fields=merged["metadata"].get("managedFields")
        )

    def _create_applied(
        self, resource: Resource, namespace: str, obj: Obj, fields: list[Obj], call: Call
    ) -> Obj:
        dry = Call(call.manager, "", True, "Ignore", call.warnings)
        made = self.create(resource, namespace, obj, dry)
        made["metadata"]["managedFields"] = fields
        return made if call.dry_run else self._put(resource, namespace, made)

    def _check_same(self, resource: Resource, old: Obj, new: Obj, name: str) -> None:
        meta = new["metadata"]
        if meta.get("name") not in (None, name):
            raise bad_request(
                f"the name of the object ({meta['name']}) does not match the name on the URL"
                f" ({name})"
            )
        meta["name"] = name
        if meta.get("uid") not in (None, old["metadata"]["uid"]):
            why = (
                f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta:"
                f" {old['metadata']['uid']}"
            )
            raise conflict(resource.group, resource.plural, name, why)
        if meta.get("resourceVersion") not in (None, "", "0", old["metadata"]["resourceVersion"]):
            raise conflict(resource.group, resource.plural, name)

    def _write(
        self, resource: Resource, old: Obj, new: Obj, call: Call, *, fields: list[Obj] | None = None
    ) -> Obj:
        meta, before = new["metadata"], old["metadata"]
        for key in KEPT:
            meta.pop(key, None)
            if key in before:
                meta[key] = before[key]
        if call.subresource == "status":
            _only_status(old, new)
        elif call.subresource == "ephemeralcontainers":
            self._ephemeral_update(resource, old, new)
        else:
            self._main_update(resource, old, new, call)
        if fields is None:
            track_update(
                self.walk, old, new, self.schemas.of(resource), call.manager, call.subresource
            )
        meta["resourceVersion"] = before["resourceVersion"]
        if _same(old, new):
            return old
        if call.dry_run:
            return new
        stored = self._put(resource, before.get("namespace", ""), new)
        if is_deleting(stored) and not self._waits(resource, stored):
            return self.store.delete(
                self.key(resource, before.get("namespace", ""), before["name"])
            )
        return stored

    def _main_update(self, resource: Resource, old: Obj, new: Obj, call: Call) -> None:
        if "status" in resource.subresources:
            new.pop("status", None)
            if "status" in old:
                new["status"] = copy(old["status"])
        self._set_defaults(resource, new)
        keep_kind(resource.qualified, old, new)
        self._check(resource, validation.on_update(resource, old, new), new)
        self._check_custom(resource, new)
        admission.check_update(self.store, resource.qualified, old, new)
        if resource.qualified == "services":
            self._check(resource, allocate_service(self.store, new, old), new)
        if resource.qualified not in WITHOUT_GENERATION and _content(new) != _content(old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        call.warnings += pod_warnings(resource.qualified, new)

    def _ephemeral_update(self, resource: Resource, old: Obj, new: Obj) -> None:
        """An update of a Pod's ephemeral containers leaves all else as it was."""
        given = at(new, "spec", "ephemeralContainers", default=[])
        _only_status(old, new)
        new["spec"], new["status"] = (
            copy(old["spec"]) | {"ephemeralContainers": given},
            copy(old["status"]),
        )
        set_defaults(resource.qualified, new)
        self._check(resource, list(ephemeral_update(old, new)), new)
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def _waits(self, resource: Resource, obj: Obj) -> bool:
        """Whether something must still happen before an object that is being deleted may go."""
        finalizers = obj["metadata"].get("finalizers") or (
            resource.qualified == "namespaces" and at(obj, "spec", "finalizers")
        )
        return bool(finalizers) or bool(obj["metadata"].get("deletionGracePeriodSeconds"))

    # ------------------------------------------------------------------ delete

    def delete(
        self, resource: Resource, namespace: str, name: str, options: DeleteOptions, call: Call
    ) -> tuple[Obj, bool]:
        """Delete an object, or mark it so when its end takes time. Returns its last state, and
        whether it is gone.
        """
        obj = self.get(resource, namespace, name)
        meta = obj["metadata"]
        for wanted, found, what in (
            (options.uid, meta["uid"], "UID"),
            (options.revision, meta["resourceVersion"], "ResourceVersion"),
        ):
            if wanted is not None and wanted != found:
                why = (
                    f"Precondition failed: {what} in precondition: {wanted}, {what} in object meta:"
                    f" {found}"
                )
                raise conflict(resource.group, resource.plural, name, why)
        admission.check_deletion(resource.qualified, name)
        if call.dry_run:
            return obj, True
        marked = copy(obj)
        self._mark(resource, obj, marked, options)
        if not self._waits(resource, marked):
            return self.store.delete(self.key(resource, namespace, name)), True
        if _same(obj, marked):
            return obj, False
        return self.store.put(self.key(resource, namespace, name), marked), False

    def _mark(self, resource: Resource, obj: Obj, marked: Obj, options: DeleteOptions) -> None:
        meta = marked["metadata"]
        finalizers = [
            f
            for f in meta.get("finalizers") or []
            if f not in (FOREGROUND, ORPHAN) or is_deleting(obj)
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
            return
        if "generation" in meta and not is_deleting(obj):
            meta["generation"] += 1
        began = datetime.now(UTC) + timedelta(seconds=grace)
        if not is_deleting(obj) or resource.qualified == "pods":
            meta["deletionTimestamp"] = began.strftime("%Y-%m-%dT%H:%M:%SZ")
        meta["deletionGracePeriodSeconds"] = grace
        if resource.qualified == "namespaces":
            marked["status"] = {**(marked.get("status") or {}), "phase": "Terminating"}


def _grace(pod: Obj, asked: int | None) -> int:
    """Seconds a Pod gets to end; none when it runs nowhere or has ended."""
    if not at(pod, "spec", "nodeName") or at(pod, "status", "phase") in ("Succeeded", "Failed"):
        return 0
    return (
        max(asked, 0)
        if asked is not None
        else int(at(pod, "spec", "terminationGracePeriodSeconds", default=30))
    )


def _only_status(old: Obj, new: Obj) -> None:
    """An update of the status leaves all else as it was; annotations may come with it."""
    for key in set(new) | set(old):
        if key in ("status", "metadata", "apiVersion", "kind"):
            continue
        new.pop(key, None)
        if key in old:
            new[key] = old[key]
    for key in ("labels", "ownerReferences", "finalizers"):
        new["metadata"].pop(key, None)
        if key in old["metadata"]:
            new["metadata"][key] = old["metadata"][key]


def _content(obj: Obj) -> Obj:
    return {key: value for key, value in obj.items() if key not in ("metadata", "status")}


def _same(old: Obj, new: Obj) -> bool:
    """Whether nothing but the times of managers differs."""

    def bare(obj: Obj) -> Obj:
        entries = [{**entry, "time": ""} for entry in obj["metadata"].get("managedFields") or []]
        return obj | {
            "metadata": {**obj["metadata"], "managedFields": entries, "resourceVersion": ""}
        }

    return bare(old) == bare(new)
