r"""Kubernetes' protobuf encoding, decoded: kubectl's imperative creates (``kubectl create
deployment`` …) send it.

``protobuf-fields.json`` maps each message's field numbers to names and types. A body is the four
bytes ``k8s\0`` and a ``runtime.Unknown``.
"""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from lab.cluster.model.errors import bad_request
from lab.cluster.model.objects import Obj

MAGIC = b"k8s\0"
CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
PACKAGES = {"": "core", "rbac.authorization.k8s.io": "rbac"}
META_KINDS = ("DeleteOptions",)

# A Go client writes the zero of a plain field that is absent; for these, which are pointers, zero
# was meant.
POINTERS = frozenset(
    (
        "replicas minReplicas parallelism completions backoffLimit activeDeadlineSeconds "
        "suspend ttlSecondsAfterFinished terminationGracePeriodSeconds revisionHistoryLimit "
        "progressDeadlineSeconds successfulJobsHistoryLimit failedJobsHistoryLimit "
        "startingDeadlineSeconds gracePeriodSeconds immutable automountServiceAccountToken "
        "optional expirationSeconds value controller runAsUser runAsGroup runAsNonRoot "
        "tolerationSeconds enableServiceLinks allowPrivilegeEscalation privileged partition"
    ).split()
)


@cache
def messages() -> dict[str, dict[str, Obj]]:
    return dict(json.loads((files("lab.cluster.apiserver") / "protobuf-fields.json").read_text()))


def decode(body: bytes) -> Obj:
    """The object in a body, as JSON would have it. APIError (400) for what is no such body."""
    if not body.startswith(MAGIC):
        raise bad_request(
            "the body of the request is not in Kubernetes' protobuf encoding: it does not begin"
            " with k8s\\0"
        )
    try:
        unknown = _message(body[len(MAGIC) :], "k8s.io.apimachinery.pkg.runtime.Unknown")
        kind = unknown.get("typeMeta") or {}
        raw = base64.b64decode(unknown.get("raw") or "")
        obj = _message(raw, message_name(kind.get("apiVersion", ""), kind.get("kind", "")))
    except (
        IndexError,
        UnicodeDecodeError,
        ValueError,
        TypeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise bad_request(
            f"the body of the request cannot be decoded as protobuf: {error}"
        ) from error
    return {"apiVersion": kind["apiVersion"], "kind": kind["kind"]} | obj


def message_name(api_version: str, kind: str) -> str:
    """``apps/v1``, ``Deployment`` to ``k8s.io.api.apps.v1.Deployment``."""
    group, _, version = api_version.rpartition("/")
    package = PACKAGES.get(group, group.partition(".")[0])
    name = f"k8s.io.api.{package}.{version}.{kind}"
    if kind in META_KINDS:
        name = f"k8s.io.apimachinery.pkg.apis.meta.v1.{kind}"
    if name not in messages():
        raise ValueError(f'no kind "{kind}" is registered for version "{api_version}"')
    return name


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is longer than 64 bits")


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field number and value of each field on the wire."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == VARINT:
            value: int | bytes
            value, at = _varint(data, at)
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
            value, at = data[at : at + size], at + size
        elif wire == BYTES:
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
            if len(value) != size:
                raise ValueError("the message is cut off")
        else:
            raise ValueError(f"wire type {wire} is not used by Kubernetes")
        yield tag >> 3, value


def _message(data: bytes, name: str) -> Obj:
    layout = messages()[name]
    found: Obj = {}
    for number, raw in _fields(data):
        spec = layout.get(str(number))
        if spec is None:
            continue
        key, kind = spec["name"], spec["type"]
        if spec.get("is") == "map":
            entry = dict(_fields(_bytes(raw)))
            found.setdefault(key, {})[_bytes(entry.get(1, b"")).decode()] = _value(
                entry.get(2, b""), kind
            )
        elif spec.get("is") == "repeated":
            found.setdefault(key, []).append(_value(raw, kind))
        else:
            value = _value(raw, kind)
            if spec.get("inline"):
                found.update(value)
            elif value not in ("", 0, False, None) or (
                key in POINTERS and value is not None and value != ""
            ):
                found[key] = value
    return found


def _bytes(raw: int | bytes) -> bytes:
    if isinstance(raw, int):
        raise ValueError("a number where bytes were expected")
    return raw


def _value(raw: int | bytes, kind: str) -> Any:
    if kind in ("int32", "int64", "bool"):
        number = raw if isinstance(raw, int) else 0
        return bool(number) if kind == "bool" else number - (1 << 64) if number >> 63 else number
    data = _bytes(raw)
    match kind:
        case "string":
            return data.decode()
        case "bytes":
            return base64.b64encode(data).decode()
        case "time" | "microtime":
            return _time(dict(_fields(data)), micro=kind == "microtime")
        case "quantity":
            return _bytes(dict(_fields(data)).get(1, b"0")).decode()
        case "int-or-string":
            parts = dict(_fields(data))
            return (
                _value(parts.get(2, 0), "int32")
                if not parts.get(1)
                else _bytes(parts.get(3, b"")).decode()
            )
        case "raw-json":
            return json.loads(_bytes(dict(_fields(data)).get(1, b"null")) or b"null")
        case _:
            return _message(data, kind)


def _time(parts: dict[int, int | bytes], *, micro: bool) -> str | None:
    seconds = _value(parts.get(1, 0), "int64")
    if not seconds:
        return None
    moment = datetime.fromtimestamp(seconds, UTC)
    fraction = f".{_value(parts.get(2, 0), 'int32') // 1000:06d}" if micro else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"
