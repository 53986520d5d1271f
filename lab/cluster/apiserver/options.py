"""What a request asks for besides its object: ListOptions, CreateOptions, DeleteOptions."""

import base64
import json
from dataclasses import dataclass

from aiohttp import web

from lab.cluster.apiserver.negotiation import object_of
from lab.cluster.apiserver.requestinfo import RequestInfo
from lab.cluster.model import selectors
from lab.cluster.model.errors import bad_request, invalid, unsupported
from lab.cluster.model.labelparser import parse_labels
from lab.cluster.model.objects import Obj, labels_of, name_of, namespace_of
from lab.cluster.model.resources import Resource
from lab.cluster.model.schema import Schemas
from lab.cluster.registry.call import Call, DeleteOptions

DELETE_OPTIONS = Resource("", "v1", "", "DeleteOptions", False)


@dataclass(frozen=True)
class Selection:
    """Which objects a list or a watch is about."""

    labels: list[selectors.Requirement]
    fields: list[selectors.FieldRequirement]

    def matches(self, obj: Obj) -> bool:
        return selectors.matches(self.labels, labels_of(obj)) and all(
            field.matches(obj) for field in self.fields
        )


def selection(info: RequestInfo, request: web.Request) -> Selection:
    """The label and field selectors of the request; of a watch of one object, its name."""
    resource = info.target
    fields = selectors.parse_fields(request.query.get("fieldSelector", ""), resource)
    if info.name:
        fields.append(selectors.FieldRequirement("metadata.name", True, info.name))
    return Selection(parse_labels(request.query.get("labelSelector", "")), fields)


def call_of(request: web.Request, info: RequestInfo) -> Call:
    """How the request wants to be carried out."""
    manager = (
        request.query.get("fieldManager")
        or request.headers.get("User-Agent", "unknown").split("/")[0]
    )
    if len(manager) > 128:
        raise bad_request("fieldManager: Too long: may not be more than 128 bytes")
    dry = request.query.getall("dryRun", [])
    if dry not in ([], ["All"]):
        raise bad_request(f'dryRun: Unsupported value: {dry}: supported values: "All"')
    validation = request.query.get("fieldValidation") or "Warn"
    if validation not in ("Strict", "Warn", "Ignore"):
        wrong = unsupported("fieldValidation", validation, ("", "Ignore", "Strict", "Warn"))
        raise invalid("meta.k8s.io", "CreateOptions", "", [wrong])
    return Call(manager, info.subresource, bool(dry), validation)


async def delete_options(request: web.Request, schemas: Schemas) -> tuple[DeleteOptions, bool]:
    """The DeleteOptions of body and query, and whether it is a dry run."""
    body = await object_of(request) if request.can_read_body and request.content_length != 0 else {}
    body = schemas.decode(body, DELETE_OPTIONS).obj
    grace = request.query.get("gracePeriodSeconds", body.get("gracePeriodSeconds"))
    if grace is not None and not str(grace).lstrip("-").isdigit():
        raise bad_request(f"gracePeriodSeconds: a whole number is expected, not {grace!r}")
    propagation = request.query.get("propagationPolicy", body.get("propagationPolicy"))
    if propagation not in (None, "Background", "Foreground", "Orphan"):
        raise bad_request(f"invalid deletion propagation policy: {propagation!r}")
    if body.get("orphanDependents"):
        propagation = "Orphan"
    preconditions = body.get("preconditions") or {}
    seconds = int(grace) if grace is not None else None
    options = DeleteOptions(
        seconds, propagation, preconditions.get("uid"), preconditions.get("resourceVersion")
    )
    return options, body.get("dryRun") == ["All"]


def page(objects: list[Obj], request: web.Request, revision: int) -> tuple[list[Obj], Obj]:
    """The part of a list that ``limit`` and ``continue`` ask for, and the list's metadata."""
    limit = request.query.get("limit", "0")
    if not limit.isdigit():
        raise bad_request(f'limit: Invalid value: "{limit}"')
    meta: Obj = {"resourceVersion": str(revision)}
    token = request.query.get("continue")
    if token:
        start, meta["resourceVersion"] = _position(token)
        objects = [obj for obj in objects if [namespace_of(obj), name_of(obj)] > start]
    size = int(limit)
    if size and len(objects) > size:
        last = objects[size - 1]
        start = [namespace_of(last), name_of(last)]
        meta["continue"] = base64.urlsafe_b64encode(
            json.dumps([start, meta["resourceVersion"]]).encode()
        ).decode()
        meta["remainingItemCount"] = len(objects) - size
        objects = objects[:size]
    return objects, meta


def _position(token: str) -> tuple[list[str], str]:
    """Where a list goes on: after which namespace and name, of which revision."""
    try:
        (namespace, name), revision = json.loads(base64.urlsafe_b64decode(token))
    except ValueError as error:
        raise bad_request(
            "continue key is not valid: the token was not made by this server"
        ) from error
    return [str(namespace), str(name)], str(revision)
