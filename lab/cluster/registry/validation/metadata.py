"""Names, labels and annotations."""

from collections.abc import Iterator, Mapping
from typing import Any

from lab.cluster.model.errors import FieldError, field_forbidden, invalid_value, required, too_long
from lab.cluster.model.names import is_label, is_label_value, is_qualified_name, is_subdomain
from lab.cluster.model.objects import Obj, is_deleting
from lab.cluster.model.resources import Resource

AS_LABEL = ("namespaces", "services")
STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
AS_PATH_SEGMENT = (
    "roles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "clusterrolebindings.rbac.authorization.k8s.io",
)


def name(resource: Resource, text: str) -> str | None:
    """Why the name does not suit the resource, or None."""
    if resource.qualified in AS_PATH_SEGMENT:
        bad = next((part for part in ("/", "%") if part in text), None)
        return f"may not contain '{bad}'" if bad else None
    if resource.qualified in AS_LABEL:
        return is_label(text)
    return is_subdomain(text)


def labels(given: Any, path: str) -> Iterator[FieldError]:
    for key, value in sorted((given or {}).items()):
        if why := is_qualified_name(key):
            yield invalid_value(path, key, why)
        if why := is_label_value(value):
            yield invalid_value(path, value, why)


def annotations(given: Mapping[str, str], path: str) -> Iterator[FieldError]:
    for key in sorted(given):
        if why := is_qualified_name(key.lower()):
            yield invalid_value(path, key, why)
    if sum(len(key) + len(value) for key, value in given.items()) > 256 * 1024:
        yield too_long(path, 256 * 1024)


def object_meta(resource: Resource, obj: Obj) -> Iterator[FieldError]:
    meta = obj["metadata"]
    given = meta.get("name") or ""
    if not given:
        yield required("metadata.name", "name or generateName is required")
    elif why := name(resource, given):
        yield invalid_value("metadata.name", given, why)
    yield from labels(meta.get("labels"), "metadata.labels")
    yield from annotations(meta.get("annotations") or {}, "metadata.annotations")
    yield from _finalizers(resource, meta)


def _finalizers(resource: Resource, meta: Obj) -> Iterator[FieldError]:
    for index, finalizer in enumerate(meta.get("finalizers") or []):
        if why := is_qualified_name(str(finalizer)):
            yield invalid_value(f"metadata.finalizers[{index}]", finalizer, why)
        elif resource.crd is None and "/" not in finalizer and finalizer not in STANDARD_FINALIZERS:
            why = "name is neither a standard finalizer name nor is it fully qualified"
            yield invalid_value(f"metadata.finalizers[{index}]", finalizer, why)


def update_meta(resource: Resource, old: Obj, new: Obj) -> Iterator[FieldError]:
    yield from _finalizers(resource, new["metadata"])
    late = sorted(
        set(new["metadata"].get("finalizers") or []) - set(old["metadata"].get("finalizers") or [])
    )
    if late and is_deleting(old):
        listed = "[]string{" + ", ".join(f'"{name}"' for name in late) + "}"
        why = (
            "no new finalizers can be added if the object is being deleted, found new finalizers"
            f" {listed}"
        )
        yield field_forbidden("metadata.finalizers", why)
    yield from labels(new["metadata"].get("labels"), "metadata.labels")
    yield from annotations(new["metadata"].get("annotations") or {}, "metadata.annotations")
    if new["metadata"].get("name") != old["metadata"]["name"]:
        yield invalid_value("metadata.name", new["metadata"].get("name"), "field is immutable")
