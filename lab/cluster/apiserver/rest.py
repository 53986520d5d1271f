"""The verbs on resources: get, list, watch, create, update, patch, delete and deletecollection, as
HTTP asks for them.
"""

import asyncio
import base64
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from lab.cluster.apiserver import protobuf
from lab.cluster.apiserver.negotiation import body_of, dumps, json_response, many, object_of, one
from lab.cluster.apiserver.requestinfo import RequestInfo
from lab.cluster.model import selectors
from lab.cluster.model.errors import (
    bad_request,
    details,
    expired,
    invalid,
    method_not_allowed,
    required,
    unsupported,
    unsupported_media_type,
)
from lab.cluster.model.labelparser import parse_labels
from lab.cluster.model.objects import Obj, labels_of, name_of, namespace_of
from lab.cluster.model.resources import Resource
from lab.cluster.model.schema import json_kind
from lab.cluster.registry import patch
from lab.cluster.registry.conversion import from_storage
from lab.cluster.registry.registry import Call, DeleteOptions, Registry
from lab.cluster.registry.store import Event, GoneError

DEPRECATED = {
    "endpoints": "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    "componentstatuses": "v1 ComponentStatus is deprecated in v1.19+",
}
PARTS = (
    "status",
    "finalize",
    "approval",
    "ephemeralcontainers",
)  # subresources that are a part of the object
DELETE_OPTIONS = Resource("", "v1", "", "DeleteOptions", False)
BOOKMARK_SECONDS = 60.0
WATCH_SECONDS = 3600.0  # after that, a client watches anew


@dataclass(frozen=True)
class Selection:
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


def warning_headers(warnings: list[str]) -> list[tuple[str, str]]:
    def quoted(text: str) -> str:
        return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")

    return [("Warning", f'299 - "{quoted(text)}"') for text in dict.fromkeys(warnings)]


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
    wanted = request.query.get("fieldValidation") or "Warn"
    if wanted not in ("Strict", "Warn", "Ignore"):
        wrong = unsupported("fieldValidation", wanted, ("", "Ignore", "Strict", "Warn"))
        raise invalid("meta.k8s.io", "CreateOptions", "", [wrong])
    return Call(manager, info.subresource, bool(dry), wanted)


class Rest:
    def __init__(self, registry: Registry) -> None:
        self.registry, self.store = registry, registry.store

    async def handle(self, info: RequestInfo, request: web.Request) -> web.StreamResponse:
        verbs = info.target.verbs
        if info.subresource:
            verbs = ("get", "update", "patch") if info.subresource in PARTS else ()
        if info.verb not in verbs:
            raise method_not_allowed(info.verb, info.target.plural, info.target.group)
        response: web.StreamResponse = await getattr(self, info.verb)(info, info.target, request)
        return response

    def _answer(
        self,
        request: web.Request,
        resource: Resource,
        obj: Obj,
        call: Call | None = None,
        status: int = 200,
    ) -> web.Response:
        response = json_response(one(request, resource, obj), status)
        self._warn(response, resource, call.warnings if call else [])
        return response

    def _warn(self, response: web.StreamResponse, resource: Resource, warnings: list[str]) -> None:
        deprecated = [DEPRECATED[resource.qualified]] if resource.qualified in DEPRECATED else []
        for name, value in warning_headers([*deprecated, *warnings]):
            response.headers.add(name, value)

    async def get(
        self, info: RequestInfo, resource: Resource, request: web.Request
    ) -> web.StreamResponse:
        return self._answer(
            request, resource, self.registry.get(resource, info.namespace, info.name)
        )

    async def list(
        self, info: RequestInfo, resource: Resource, request: web.Request
    ) -> web.StreamResponse:
        chosen = selection(info, request)
        objects = [
            obj for obj in self.registry.all(resource, info.namespace) if chosen.matches(obj)
        ]
        objects, meta = _page(objects, request, self.store.revision)
        response = json_response(many(request, resource, objects, meta))
        self._warn(response, resource, [])
        return response

    async def watch(
        self, info: RequestInfo, resource: Resource, request: web.Request
    ) -> web.StreamResponse:
        chosen = selection(info, request)
        since = request.query.get("resourceVersion", "")
        initial = request.query.get("sendInitialEvents") == "true" or since in ("", "0")
        try:
            watching = self.store.watch(None if initial else _revision(since))
        except GoneError as gone:
            raise expired(f"too old resource version: {gone.args[0]} ({gone.args[1]})") from gone
        with watching:
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            self._warn(response, resource, [])
            begin = (
                [
                    ("ADDED", obj)
                    for obj in self.registry.all(resource, info.namespace)
                    if chosen.matches(obj)
                ]
                if initial
                else []
            )
            await response.prepare(request)
            stream = _WatchStream(response, request, resource, self.store.revision)
            with contextlib.suppress(ConnectionError):  # the client may leave at any time
                for kind, obj in begin:
                    await stream.send(kind, obj)
                if request.query.get("sendInitialEvents") == "true":
                    await stream.bookmark({"k8s.io/initial-events-end": "true"})
                await stream.follow(watching, chosen, info.namespace)
        return response

    async def create(
        self, info: RequestInfo, resource: Resource, request: web.Request
    ) -> web.StreamResponse:
        if info.name:
            raise method_not_allowed("POST", resource.plural, resource.group)
        if resource.namespaced and not info.namespace:
            raise bad_request("an empty namespace may not be set during creation")
        call = call_of(request, info)
        if "fieldManager" not in request.query and request.content_type == protobuf.CONTENT_TYPE:
            call.validation = "Ignore"
        made = self.registry.create(resource, info.namespace, await object_of(request), call)
        return self._answer(request, resource, made, call, 201)

    async def update(
        self, info: RequestInfo, resource: Resource, request: web.Request
    ) -> web.StreamResponse:
        call = call_of(request, info)
        obj = self.registry.update(
            resource, info.namespace, info.name, await object_of(request), call
        )
        return self._answer(request, resource, obj, call)

    async def patch(
        self, info: RequestInfo, resource: Resource, request: web.Request
    ) -> web.StreamResponse:
        call = call_of(request, info)
        body = await body_of(request)
        if request.content_type == patch.APPLY:
            return await self._apply(info, resource, request, body, call)
        change = self.change(request.content_type, body, resource)
        call.patch = body if request.content_type == patch.STRATEGIC else None
        obj = self.registry.patch(resource, info.namespace, info.name, change, call)
        return self._answer(request, resource, obj, call)

    async def _apply(
        self, info: RequestInfo, resource: Resource, request: web.Request, body: Any, call: Call
    ) -> web.Response:
        if not isinstance(body, dict):
            raise bad_request("an apply patch must be an object")
        if "fieldManager" not in request.query:
            raise invalid(
                "meta.k8s.io",
                "PatchOptions",
                "",
                [required("fieldManager", "is required for apply patch")],
            )
        existed = self.store.get(self.registry.key(resource, info.namespace, info.name)) is not None
        force = request.query.get("force") == "true"
        obj = self.registry.apply(resource, info.namespace, info.name, body, call, force=force)
        return self._answer(request, resource, obj, call, 200 if existed else 201)

    def change(self, kind: str, body: Any, resource: Resource) -> Callable[[Obj], Obj]:
        """The function that a patch is. APIError (4xx) for a patch that is none."""
        if kind not in patch.SUPPORTED:
            raise unsupported_media_type(*patch.SUPPORTED)
        if kind == patch.JSON:
            if not isinstance(body, list):
                kind = json_kind(body)
                raise bad_request(
                    f"json: cannot unmarshal {kind} into Go value of type jsonpatch.Patch"
                )
            return lambda obj: _object(patch.json_patch(obj, body))
        if not isinstance(body, dict):
            raise bad_request("the patch must be an object")
        if kind == patch.MERGE:
            return lambda obj: _object(patch.merge(obj, body))
        if resource.crd is not None:
            raise unsupported_media_type(
                *(kind for kind in patch.SUPPORTED if kind != patch.STRATEGIC)
            )
        schema = self.registry.schemas.of(resource)
        return lambda obj: patch.strategic(self.registry.schemas, obj, body, schema)

    async def delete(
        self, info: RequestInfo, resource: Resource, request: web.Request
    ) -> web.StreamResponse:
        call = call_of(request, info)
        options, dry_run = await self._delete_options(request)
        call.dry_run = call.dry_run or dry_run
        obj, gone = self.registry.delete(resource, info.namespace, info.name, options, call)
        if not gone:
            return self._answer(request, resource, obj, call)
        uid = obj["metadata"]["uid"]
        success: Obj = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        response = json_response(
            success | {"details": details(resource.group, resource.plural, info.name, uid=uid)}
        )
        self._warn(response, resource, call.warnings)
        return response

    async def deletecollection(
        self, info: RequestInfo, resource: Resource, request: web.Request
    ) -> web.StreamResponse:
        call = call_of(request, info)
        chosen = selection(info, request)
        options, dry_run = await self._delete_options(request)
        call.dry_run = call.dry_run or dry_run
        found = [obj for obj in self.registry.all(resource, info.namespace) if chosen.matches(obj)]
        for obj in found:
            self.registry.delete(resource, namespace_of(obj), name_of(obj), options, call)
        return json_response(
            many(request, resource, found, {"resourceVersion": str(self.store.revision)})
        )

    async def _delete_options(self, request: web.Request) -> tuple[DeleteOptions, bool]:
        """The DeleteOptions of body and query, and whether it is a dry run."""
        body = (
            await object_of(request)
            if request.can_read_body and request.content_length != 0
            else {}
        )
        body = self.registry.schemas.decode(body, DELETE_OPTIONS).obj
        grace = request.query.get("gracePeriodSeconds", body.get("gracePeriodSeconds"))
        if grace is not None and not str(grace).lstrip("-").isdigit():
            raise bad_request(f"gracePeriodSeconds: a whole number is expected, not {grace!r}")
        propagation = request.query.get("propagationPolicy", body.get("propagationPolicy"))
        if propagation not in (None, "Background", "Foreground", "Orphan"):
            raise bad_request(f"invalid deletion propagation policy: {propagation!r}")
        if body.get("orphanDependents"):
            propagation = "Orphan"
        wanted = body.get("preconditions") or {}
        seconds = int(grace) if grace is not None else None
        options = DeleteOptions(
            seconds, propagation, wanted.get("uid"), wanted.get("resourceVersion")
        )
        return options, body.get("dryRun") == ["All"]


def _object(value: Any) -> Obj:
    if not isinstance(value, dict):
        raise bad_request("the patched object is no longer an object")
    return value


def _revision(text: str) -> int:
    if not text.isdigit():
        raise bad_request(
            f'invalid resource version "{text}": strconv.ParseUint: parsing "{text}": invalid'
            " syntax"
        )
    return int(text)


def _page(objects: list[Obj], request: web.Request, revision: int) -> tuple[list[Obj], Obj]:
    """The part of a list that ``limit`` and ``continue`` ask for, and the list's metadata."""
    limit = request.query.get("limit", "0")
    if not limit.isdigit():
        raise bad_request(f'limit: Invalid value: "{limit}"')
    meta: Obj = {"resourceVersion": str(revision)}
    token = request.query.get("continue")
    if token:
        start, meta["resourceVersion"] = _token(token)
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


def _token(token: str) -> tuple[list[str], str]:
    try:
        (namespace, name), revision = json.loads(base64.urlsafe_b64decode(token))
    except ValueError as error:
        raise bad_request(
            "continue key is not valid: the token was not made by this server"
        ) from error
    return [str(namespace), str(name)], str(revision)


class _WatchStream:
    """Events to one client, in the form it wants."""

    def __init__(
        self, response: web.StreamResponse, request: web.Request, resource: Resource, revision: int
    ) -> None:
        self.response, self.request, self.resource, self.revision = (
            response,
            request,
            resource,
            revision,
        )
        self.first = True

    async def send(self, kind: str, obj: Obj) -> None:
        shown = one(self.request, self.resource, obj, headers=self.first)
        self.first = False
        await self.response.write(dumps({"type": kind, "object": shown}) + b"\n")

    async def bookmark(self, annotations: dict[str, str] | None = None) -> None:
        meta: Obj = {"resourceVersion": str(self.revision), "creationTimestamp": None}
        if annotations:
            meta["annotations"] = annotations
        obj: Obj = {
            "kind": self.resource.kind,
            "apiVersion": self.resource.api_version,
            "metadata": meta,
        }
        if "as=Table" in self.request.headers.get("Accept", ""):
            obj = {
                "kind": "Table",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": meta,
                "columnDefinitions": [],
                "rows": [],
            }
        await self.response.write(dumps({"type": "BOOKMARK", "object": obj}) + b"\n")

    async def follow(self, watching: Any, chosen: Selection, namespace: str) -> None:
        """Send what happens until the request's time is over, the client leaves or the server
        ends.
        """
        loop = asyncio.get_running_loop()
        asked = self.request.query.get("timeoutSeconds", "")
        deadline = loop.time() + (int(asked) if asked.isdigit() and int(asked) else WATCH_SECONDS)
        bookmarks = self.request.query.get("allowWatchBookmarks") == "true"
        while (left := deadline - loop.time()) > 0 and self.request.transport is not None:
            event = await watching.next(min(left, BOOKMARK_SECONDS))
            if event is not None:
                await self._pass_on(event, chosen, namespace)
            elif loop.time() < deadline and bookmarks:
                await self.bookmark()

    async def _pass_on(self, event: Event, chosen: Selection, namespace: str) -> None:
        resource, where, _ = event.key
        self.revision = max(self.revision, event.revision)
        if resource != self.resource.stored_as or (namespace and where != namespace):
            return
        after = from_storage(self.resource, event.obj)
        matches = chosen.matches(after) and event.kind != "DELETED"
        matched = event.before is not None and chosen.matches(
            from_storage(self.resource, event.before)
        )
        if matches:
            await self.send("MODIFIED" if matched else "ADDED", after)
        elif matched:
            await self.send("DELETED", after)
