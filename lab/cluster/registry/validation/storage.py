"""ConfigMaps, Secrets, volumes and claims; roles; CustomResourceDefinitions."""

import re
from collections.abc import Iterator

from lab.cluster.model import quantity
from lab.cluster.model.errors import (
    FieldError,
    duplicate,
    field_forbidden,
    invalid_value,
    required,
    too_long,
    unsupported,
)
from lab.cluster.model.names import is_dns1035
from lab.cluster.model.objects import Obj, at, copy
from lab.cluster.registry.validation.metadata import labels

KEY_FORMAT = "[-._a-zA-Z0-9]+"
KEY_ERROR = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',"
    f"  or 'KEY_NAME',  or 'key-name', regex used for validation is '{KEY_FORMAT}')"
)
ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
LARGEST = 1024 * 1024
TYPED_SECRETS = {
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}


def _keys(obj: Obj, field: str) -> Iterator[FieldError]:
    for key in sorted(obj.get(field) or {}):
        if not re.fullmatch(KEY_FORMAT, key):
            yield invalid_value(f"{field}[{key}]", key, KEY_ERROR)
        elif len(key) > 253:
            yield invalid_value(f"{field}[{key}]", key, "must be no more than 253 bytes")


def config_map(obj: Obj) -> Iterator[FieldError]:
    yield from _keys(obj, "data")
    yield from _keys(obj, "binaryData")
    for key in sorted(set(obj.get("data") or {}) & set(obj.get("binaryData") or {})):
        yield invalid_value(f"data[{key}]", key, "duplicate of key present in binaryData")
    if (
        sum(len(v) for field in ("data", "binaryData") for v in (obj.get(field) or {}).values())
        > LARGEST
    ):
        yield too_long("", LARGEST)


def secret(obj: Obj) -> Iterator[FieldError]:
    yield from _keys(obj, "data")
    for key in TYPED_SECRETS.get(obj.get("type") or "", ()):
        if key not in (obj.get("data") or {}):
            yield required(f"data[{key}]")
    if sum(len(v) * 3 // 4 for v in (obj.get("data") or {}).values()) > LARGEST:
        yield too_long("data", LARGEST)


def immutable_data(old: Obj, new: Obj) -> Iterator[FieldError]:
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield field_forbidden("immutable", "field is immutable when `immutable` is set")
    for field in ("data", "binaryData"):
        if (old.get(field) or {}) != (new.get(field) or {}):
            yield field_forbidden(field, "field is immutable when `immutable` is set")


def secret_update(old: Obj, new: Obj) -> Iterator[FieldError]:
    if old.get("type") != new.get("type"):
        yield invalid_value("type", new.get("type"), "field is immutable")
    yield from immutable_data(old, new)


def _access_modes(spec: Obj) -> Iterator[FieldError]:
    if not spec.get("accessModes"):
        yield required("spec.accessModes", "at least 1 access mode is required")
    for mode in spec.get("accessModes") or []:
        if mode not in ACCESS_MODES:
            yield unsupported("spec.accessModes", mode, ACCESS_MODES)


def claim(obj: Obj) -> Iterator[FieldError]:
    spec = obj.get("spec") or {}
    yield from _access_modes(spec)
    storage = at(spec, "resources", "requests", "storage")
    if storage is None:
        yield required("spec.resources[storage]")
    elif quantity.parse(storage) <= 0:
        yield invalid_value("spec.resources[storage]", storage, "must be greater than zero")
    if spec.get("selector"):
        yield from labels(spec["selector"].get("matchLabels"), "spec.selector.matchLabels")


def claim_update(old: Obj, new: Obj) -> Iterator[FieldError]:
    before, after = copy(old["spec"]), copy(new.get("spec") or {})
    for spec in (before, after):
        spec.pop("volumeName", None) if not old["spec"].get("volumeName") else None
        spec.pop("resources", None)
        spec.pop("volumeAttributesClassName", None)
    if before != after:
        why = (
            "spec is immutable after creation except resources.requests and"
            " volumeAttributesClassName for bound claims\n"
        )
        yield field_forbidden("spec", why)


def volume(obj: Obj) -> Iterator[FieldError]:
    spec = obj.get("spec") or {}
    yield from _access_modes(spec)
    capacity = spec.get("capacity") or {}
    if not capacity:
        yield required("spec.capacity")
    elif "storage" not in capacity:
        yield unsupported("spec.capacity", sorted(capacity)[0], ("storage",))
    elif quantity.parse(capacity["storage"]) <= 0:
        yield invalid_value(
            "spec.capacity[storage]", capacity["storage"], "must be greater than zero"
        )
    general = (
        "accessModes capacity claimRef mountOptions nodeAffinity "
        "persistentVolumeReclaimPolicy storageClassName volumeMode volumeAttributesClassName"
    ).split()
    if not set(spec).difference(general):
        yield required("spec", "must specify a volume type")


def role(obj: Obj) -> Iterator[FieldError]:
    for index, rule in enumerate(obj.get("rules") or []):
        yield from _rule(rule, f"rules[{index}]", namespaced=obj["kind"] == "Role")


def _rule(rule: Obj, path: str, *, namespaced: bool) -> Iterator[FieldError]:
    if not rule.get("verbs"):
        yield required(f"{path}.verbs", "verbs must contain at least one value")
    paths = rule.get("nonResourceURLs")
    if paths:
        if namespaced:
            why = "namespaced rules cannot apply to non-resource URLs"
            yield invalid_value(f"{path}.nonResourceURLs", paths, why)
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            why = "rules cannot apply to both regular resources and non-resource URLs"
            yield invalid_value(f"{path}.nonResourceURLs", paths, why)
        return
    if not rule.get("apiGroups"):
        yield required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield required(f"{path}.resources", "resource rules must supply at least one resource")


def role_binding(obj: Obj) -> Iterator[FieldError]:
    kinds = ("ClusterRole", "Role") if obj["kind"] == "RoleBinding" else ("ClusterRole",)
    kind = at(obj, "roleRef", "kind")
    if kind not in kinds:
        yield unsupported("roleRef.kind", kind or "", kinds)
    if not at(obj, "roleRef", "name"):
        yield required("roleRef.name")
    for index, subject in enumerate(obj.get("subjects") or []):
        yield from _subject(subject, f"subjects[{index}]")


def _subject(subject: Obj, path: str) -> Iterator[FieldError]:
    kind = subject.get("kind")
    if not subject.get("name"):
        yield required(f"{path}.name")
    if kind not in ("Group", "ServiceAccount", "User"):
        yield unsupported(f"{path}.kind", kind or "", ("Group", "ServiceAccount", "User"))
    elif kind == "ServiceAccount" and not subject.get("namespace"):
        yield required(f"{path}.namespace")


def role_binding_update(old: Obj, new: Obj) -> Iterator[FieldError]:
    if old.get("roleRef") != new.get("roleRef"):
        yield invalid_value("roleRef", new.get("roleRef"), "cannot change roleRef")


def custom_resource_definition(obj: Obj) -> Iterator[FieldError]:
    spec = obj.get("spec") or {}
    names = spec.get("names") or {}
    wanted = f"{names.get('plural')}.{spec.get('group')}"
    if obj["metadata"].get("name") != wanted:
        yield invalid_value(
            "metadata.name", obj["metadata"].get("name"), 'must be spec.names.plural+"."+spec.group'
        )
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        yield unsupported("spec.scope", spec.get("scope") or "", ("Cluster", "Namespaced"))
    for field in ("plural", "singular", "kind", "listKind"):
        text = str(names.get(field) or "")
        if not text:
            yield required(f"spec.names.{field}")
        elif why := is_dns1035(text.lower()):
            yield invalid_value(f"spec.names.{field}", text, why)
    versions = spec.get("versions") or []
    if sum(bool(version.get("storage")) for version in versions) != 1:
        yield invalid_value(
            "spec.versions", versions, "must have exactly one version marked as storage version"
        )
    seen: set[str] = set()
    for index, version in enumerate(versions):
        if version.get("name") in seen:
            yield duplicate(f"spec.versions[{index}].name", version.get("name"))
        seen.add(version.get("name"))
        if not at(version, "schema", "openAPIV3Schema"):
            yield required(f"spec.versions[{index}].schema.openAPIV3Schema", "schemas are required")
