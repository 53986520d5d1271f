"""Names, labels and annotations."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lab.cluster.model.errors import FieldError, field_forbidden, invalid_value, required, too_long
from lab.cluster.model.objects import Obj, is_deleting
from lab.cluster.model.resources import Resource

LABEL_FORMAT = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
LABEL = re.compile(LABEL_FORMAT)
LABEL_ERROR = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and"
    " must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used"
    f" for validation is '{LABEL_FORMAT}')"
)
SUBDOMAIN_FORMAT = rf"{LABEL_FORMAT}(\.{LABEL_FORMAT})*"
SUBDOMAIN = re.compile(SUBDOMAIN_FORMAT)
SUBDOMAIN_ERROR = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or"
    " '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used"
    f" for validation is '{SUBDOMAIN_FORMAT}')"
)
DNS1035_FORMAT = "[a-z]([-a-z0-9]*[a-z0-9])?"
DNS1035 = re.compile(DNS1035_FORMAT)
DNS1035_ERROR = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an"
    " alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123',"
    f" regex used for validation is '{DNS1035_FORMAT}')"
)
VALUE_FORMAT = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
VALUE = re.compile(VALUE_FORMAT)
VALUE_ERROR = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.',"
    " and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or"
    f" '12345', regex used for validation is '{VALUE_FORMAT}')"
)
NAME_FORMAT = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
NAME = re.compile(NAME_FORMAT)
NAME_ERROR = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end"
    " with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for"
    f" validation is '{NAME_FORMAT}')"
)
AS_LABEL = ("namespaces", "services")
STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
AS_PATH_SEGMENT = (
    "roles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "clusterrolebindings.rbac.authorization.k8s.io",
)


def is_label(text: str) -> str | None:
    """Why it is no DNS label, or None."""
    if len(text) > 63:
        return "must be no more than 63 bytes"
    return None if LABEL.fullmatch(text) else LABEL_ERROR


def is_subdomain(text: str) -> str | None:
    if len(text) > 253:
        return "must be no more than 253 bytes"
    return None if SUBDOMAIN.fullmatch(text) else SUBDOMAIN_ERROR


def is_dns1035(text: str) -> str | None:
    if len(text) > 63:
        return "must be no more than 63 bytes"
    return None if DNS1035.fullmatch(text) else DNS1035_ERROR


def is_label_value(text: str) -> str | None:
    if len(text) > 63:
        return "must be no more than 63 bytes"
    return None if VALUE.fullmatch(text) else VALUE_ERROR


def is_qualified_name(text: str) -> str | None:
    """Why it is no ``prefix/name``, or None."""
    prefix, slash, name = text.rpartition("/")
    if slash and not prefix:
        return "prefix part must be non-empty"
    if prefix and (why := is_subdomain(prefix)):
        return f"prefix part {why}"
    if not name:
        return "name part must be non-empty"
    if len(name) > 63:
        return "name part must be no more than 63 bytes"
    return None if NAME.fullmatch(name) else NAME_ERROR


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
