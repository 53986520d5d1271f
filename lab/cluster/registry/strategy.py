"""What is done to an object on its way into the store: decoded, filled in, admitted, validated.

Kubernetes has a RESTCreateStrategy and a RESTUpdateStrategy for each resource; what differs between
kinds is here in ``defaults``, ``kinds``, ``admission`` and ``validation``.
"""

from typing import Any
from uuid import uuid4

from lab.cluster.model.errors import bad_request, conflict, invalid
from lab.cluster.model.objects import Obj, at, copy, name_of, now, random_suffix
from lab.cluster.model.resources import Resource
from lab.cluster.model.schema import Schemas, cannot_handle
from lab.cluster.registry import admission, validation
from lab.cluster.registry.addresses import allocate_service
from lab.cluster.registry.call import Call
from lab.cluster.registry.custom import errors_of, fill_in
from lab.cluster.registry.defaults import set_defaults
from lab.cluster.registry.kinds import keep_kind, pod_warnings, prepare_kind, qos_class
from lab.cluster.registry.managedfields import FieldWalk, track_update
from lab.cluster.registry.store import Store
from lab.cluster.registry.validation.pods import ephemeral_update

# Kinds whose objects have no generation: nothing in them is a controller's order.
WITHOUT_GENERATION = frozenset(
    """
    clusterrolebindings.rbac.authorization.k8s.io clusterroles.rbac.authorization.k8s.io
    configmaps controllerrevisions.apps endpoints events events.events.k8s.io
    horizontalpodautoscalers.autoscaling leases.coordination.k8s.io limitranges namespaces nodes
    persistentvolumeclaims persistentvolumes podtemplates resourcequotas
    rolebindings.rbac.authorization.k8s.io roles.rbac.authorization.k8s.io secrets
    serviceaccounts services storageclasses.storage.k8s.io
    """.split()
)
SET_BY_SERVER = (
    "deletionTimestamp deletionGracePeriodSeconds selfLink generation managedFields".split()
)
STATUS_DEFAULTS: dict[str, Obj] = {"pods": {"phase": "Pending"}}


class Strategy:
    """How objects of every kind are prepared and checked; all methods change the object in place.

    The registry calls it before each write. APIError when the object may not be written.
    """

    def __init__(self, store: Store, schemas: Schemas) -> None:
        self.store, self.schemas = store, schemas
        self.walk = FieldWalk(schemas)

    def place(self, resource: Resource, namespace: str, meta: Obj) -> None:
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
            raise bad_request("resourceVersion should not be set on objects to be created")
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = str(meta["generateName"])[:58] + random_suffix()
        for key in SET_BY_SERVER:
            meta.pop(key, None)
        meta["uid"], meta["creationTimestamp"] = str(uuid4()), now()

    def prepare_for_create(self, resource: Resource, obj: Obj, call: Call) -> None:
        """Fill in what a new object has by default, and note who manages what."""
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

    def validate_for_create(self, resource: Resource, obj: Obj, call: Call) -> None:
        """Let admission add to a new object; APIError for what it or validation refuses."""
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

    def decode(self, resource: Resource, given: Obj, call: Call) -> Obj:
        """The object by its schema. APIError (400) for what is no such object."""
        if given.get("kind") not in (None, resource.kind):
            raise bad_request(
                f'{given.get("kind")} in version "{given.get("apiVersion")}" cannot be handled as a'
                f' {resource.kind}: no kind "{given.get("kind")}" is registered for version'
                f' "{resource.api_version}"'
            )
        if not isinstance(given.get("metadata") or {}, dict):
            why = "json: cannot unmarshal into Go struct field .metadata of type v1.ObjectMeta"
            raise bad_request(cannot_handle(resource, why))
        decoded = self.schemas.decode(given, resource)
        if decoded.unknown and call.validation == "Strict":
            why = f"strict decoding error: {', '.join(decoded.unknown)}"
            raise bad_request(cannot_handle(resource, why))
        if call.validation == "Warn":
            call.warnings += decoded.unknown
        obj = decoded.obj
        obj["apiVersion"], obj["kind"] = resource.api_version, resource.kind
        obj["metadata"] = obj.get("metadata") or {}
        return obj

    def check_identity(self, resource: Resource, old: Obj, new: Obj, name: str) -> None:
        """APIError (400, 409) when the request is about another object, or another state of it."""
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

    def update(self, resource: Resource, old: Obj, new: Obj, call: Call) -> None:
        """Admit a change of anything but the status as well."""
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

    def update_ephemeral(self, resource: Resource, old: Obj, new: Obj) -> None:
        """An update of a Pod's ephemeral containers leaves all else as it was."""
        given = at(new, "spec", "ephemeralContainers", default=[])
        keep_all_but_status(old, new)
        new["spec"] = copy(old["spec"]) | {"ephemeralContainers": given}
        new["status"] = copy(old["status"])
        set_defaults(resource.qualified, new)
        self._check(resource, list(ephemeral_update(old, new)), new)
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def _check(self, resource: Resource, errors: list[Any], obj: Obj) -> None:
        if errors:
            raise invalid(resource.group, resource.kind, name_of(obj), errors)

    def _set_defaults(self, resource: Resource, obj: Obj) -> None:
        set_defaults(resource.qualified, obj)
        if resource.crd is not None:
            fill_in(obj, self.schemas.of(resource))

    def _check_custom(self, resource: Resource, obj: Obj) -> None:
        if resource.crd is not None:
            self._check(resource, errors_of(obj, self.schemas.of(resource)), obj)


def keep_all_but_status(old: Obj, new: Obj) -> None:
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
