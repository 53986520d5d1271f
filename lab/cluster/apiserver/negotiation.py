"""Bodies in and out: JSON, YAML and protobuf are read, JSON and Tables are written."""

import json
from collections.abc import Sequence
from typing import Any, cast

import yaml
from aiohttp import web

from lab.cluster.apiserver import protobuf
from lab.cluster.apiserver.table import table
from lab.cluster.model.errors import bad_request, unsupported_media_type
from lab.cluster.model.objects import Obj
from lab.cluster.model.resources import Resource
from lab.cluster.model.schema import json_kind

YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
UNRECOGNIZED = (
    "the object provided is unrecognized (must be of type Object): couldn't get version/kind; json"
    " parse error: "
)
AS_JSON = (
    "application/json",
    "application/octet-stream",
    "text/plain",
    "application/x-www-form-urlencoded",
)
META_ORDER = (
    "name generateName namespace uid resourceVersion generation creationTimestamp "
    "deletionTimestamp deletionGracePeriodSeconds labels annotations ownerReferences "
    "finalizers managedFields"
).split()
DEEPEST = 200  # levels of nesting in a body


async def body_of(request: web.Request) -> Any:
    """The decoded body. APIError (4xx) for what cannot be decoded."""
    raw = await request.read()
    kind = request.content_type
    if kind == protobuf.CONTENT_TYPE:
        return protobuf.decode(raw)
    if "yaml" in kind:
        return _yaml(raw)
    if kind not in AS_JSON and not kind.endswith("+json"):
        raise unsupported_media_type("application/json", "application/yaml", protobuf.CONTENT_TYPE)
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise bad_request(
            _no_json(error) if request.method == "PATCH" else UNRECOGNIZED + _no_json(error)
        ) from error
    return _checked(value)


def _no_json(error: Exception) -> str:
    """A syntax error as encoding/json tells it, as far as that can be told from Python's."""
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    rest = error.doc[error.pos :].strip()
    return (
        f"invalid character {rest[0]!r} looking for beginning of value"
        if rest
        else "unexpected end of JSON input"
    )


def _yaml(raw: bytes) -> Any:
    try:
        return _checked(json.loads(json.dumps(yaml.load(raw, Loader=YAML_LOADER))))  # noqa: S506 (a safe loader)
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        raise bad_request(f"error converting YAML to JSON: {error}") from error


def _checked(value: Any) -> Any:
    """Refuse what is nested so deep that working on it would fail."""
    level, layer = 0, [value]
    while layer:
        level += 1
        if level > DEEPEST:
            raise bad_request("the body of the request is nested too deeply")
        layer = [
            c
            for v in layer
            if isinstance(v, dict | list)
            for c in (v.values() if isinstance(v, dict) else v)
        ]
    return value


async def object_of(request: web.Request) -> Obj:
    """The decoded body, which must be an object."""
    value = await body_of(request)
    if not isinstance(value, dict):
        raise bad_request(
            f"{UNRECOGNIZED}json: cannot unmarshal {json_kind(value)} into Go value of type struct"
        )
    return cast(Obj, value)


def wants(request: web.Request) -> str:
    """``Table``, ``PartialObjectMetadata`` or nothing: the first accepted form that is known."""
    for part in request.headers.get("Accept", "").split(","):
        parameters = dict(p.strip().split("=", 1) for p in part.split(";")[1:] if "=" in p)
        if parameters.get("as") == "Table":
            return "Table"
        if parameters.get("as", "").startswith("PartialObjectMetadata"):
            return "PartialObjectMetadata"
        if part.split(";")[0].strip() in ("application/json", "*/*"):
            return ""
    return ""


def dumps(value: Any, *, pretty: bool = False) -> bytes:
    return json.dumps(
        value,
        separators=None if pretty else (",", ":"),
        indent=2 if pretty else None,
        ensure_ascii=False,
    ).encode()


def json_response(
    value: Any,
    status: int = 200,
    *,
    pretty: bool = False,
    kind: str = "application/json",
    headers: dict[str, str] | None = None,
) -> web.Response:
    return web.Response(
        body=dumps(value, pretty=pretty) + b"\n",
        status=status,
        headers={"Content-Type": kind, **(headers or {})},
    )


def one(request: web.Request, resource: Resource, obj: Obj, *, headers: bool = True) -> Obj:
    """An object in the form that the request wants."""
    form = wants(request)
    if form == "Table":
        return table(
            resource, [obj], include=request.query.get("includeObject", "Metadata"), headers=headers
        )
    return partial(obj) if form else in_order(obj)


def in_order(obj: Obj) -> Obj:
    """An object with its fields in the order of Go's structures."""
    meta = obj["metadata"]
    ordered = {key: meta[key] for key in META_ORDER if key in meta} | meta
    head = {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "metadata": ordered}
    body = {key: value for key, value in obj.items() if key not in head and key != "status"}
    return head | body | ({"status": obj["status"]} if "status" in obj else {})


def partial(obj: Obj) -> Obj:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }


def many(request: web.Request, resource: Resource, objects: Sequence[Obj], meta: Obj) -> Obj:
    """A list of objects in the form that the request wants."""
    form = wants(request)
    if form == "Table":
        return table(
            resource, objects, include=request.query.get("includeObject", "Metadata"), meta=meta
        )
    if form:
        return {
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": meta,
            "items": [partial(o) for o in objects],
        }
    return {
        "kind": f"{resource.kind}List",
        "apiVersion": resource.api_version,
        "metadata": meta,
        "items": [in_order(obj) for obj in objects],
    }
