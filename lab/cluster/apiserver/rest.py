"""The verbs on resources: get, list, watch, create, update, patch, delete, deletecollection."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from lab.cluster.apiserver import options, protobuf
from lab.cluster.apiserver.auth import Authorizer, User
from lab.cluster.apiserver.negotiation import body_of, json_response, many, object_of, one
from lab.cluster.apiserver.requestinfo import RequestInfo
from lab.cluster.apiserver.watch import WatchStream, watch_since
from lab.cluster.model.errors import (
    bad_request,
    details,
    invalid,
    method_not_allowed,
    required,
    unsupported_media_type,
)
from lab.cluster.model.objects import Obj, name_of, namespace_of
from lab.cluster.model.resources import Resource
from lab.cluster.model.schema import json_kind
from lab.cluster.registry import patch
from lab.cluster.registry.call import Call, DeleteOptions
from lab.cluster.registry.registry import Registry

Handler = Callable[[RequestInfo, web.Request], Awaitable[web.StreamResponse]]
DEPRECATED = {
    "endpoints": "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    "componentstatuses": "v1 ComponentStatus is deprecated in v1.19+",
}
# Subresources that are a part of the object.
PARTS = ("status", "finalize", "approval", "ephemeralcontainers")
USER = web.RequestKey("user", User)  # of a request: who asks


def warning_headers(warnings: list[str]) -> list[tuple[str, str]]:
    def quoted(text: str) -> str:
        return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")

    return [("Warning", f'299 - "{quoted(text)}"') for text in dict.fromkeys(warnings)]


class Rest:
    """The generic REST handlers: HTTP in, the registry asked, the answer in the wanted form out.

    One set of verbs serves every resource, built in or custom, as the endpoints of a real API
    server do. Left out: audit, API priority and fairness. ``APIServer`` calls ``handle`` with
    requests that are authorized; to create by ``apply`` needs a further right, that to create.
    """

    def __init__(self, registry: Registry, authorizer: Authorizer) -> None:
        self.registry, self.store, self.authorizer = registry, registry.store, authorizer
        self.verbs: Mapping[str, Handler] = {
            "get": self.get,
            "list": self.list,
            "watch": self.watch,
            "create": self.create,
            "update": self.update,
            "patch": self.patch,
            "delete": self.delete,
            "deletecollection": self.delete_collection,
        }

    async def handle(self, info: RequestInfo, request: web.Request) -> web.StreamResponse:
        """Answer a request for a resource, or for a part of one. APIError (405) for other verbs."""
        verbs = info.target.verbs
        if info.subresource:
            verbs = ("get", "update", "patch") if info.subresource in PARTS else ()
        if info.verb not in verbs:
            raise method_not_allowed(info.verb, info.target.plural, info.target.group)
        return await self.verbs[info.verb](info, request)

    def _answer(
        self,
        request: web.Request,
        info: RequestInfo,
        obj: Obj,
        call: Call | None = None,
        status: int = 200,
    ) -> web.Response:
        response = json_response(one(request, info.target, obj), status)
        self._warn(response, info.target, call.warnings if call else [])
        return response

    def _warn(self, response: web.StreamResponse, resource: Resource, warnings: list[str]) -> None:
        deprecated = [DEPRECATED[resource.qualified]] if resource.qualified in DEPRECATED else []
        for name, value in warning_headers([*deprecated, *warnings]):
            response.headers.add(name, value)

    def _selected(self, info: RequestInfo, selection: options.Selection) -> list[Obj]:
        objects = self.registry.all(info.target, info.namespace)
        return [obj for obj in objects if selection.matches(obj)]

    async def get(self, info: RequestInfo, request: web.Request) -> web.Response:
        obj = self.registry.get(info.target, info.namespace, info.name)
        return self._answer(request, info, obj)

    async def list(self, info: RequestInfo, request: web.Request) -> web.Response:
        selected = self._selected(info, options.selection(info, request))
        objects, meta = options.page(selected, request, self.store.revision)
        response = json_response(many(request, info.target, objects, meta))
        self._warn(response, info.target, [])
        return response

    async def watch(self, info: RequestInfo, request: web.Request) -> web.StreamResponse:
        selection = options.selection(info, request)
        since = request.query.get("resourceVersion", "")
        initial = request.query.get("sendInitialEvents") == "true" or since in ("", "0")
        with watch_since(self.store, "" if initial else since) as watching:
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            self._warn(response, info.target, [])
            present = self._selected(info, selection) if initial else []
            await response.prepare(request)
            stream = WatchStream(response, request, info.target, self.store.revision)
            with contextlib.suppress(ConnectionError):  # the client may leave at any time
                for obj in present:
                    await stream.send("ADDED", obj)
                if request.query.get("sendInitialEvents") == "true":
                    await stream.bookmark({"k8s.io/initial-events-end": "true"})
                await stream.follow(watching, selection, info.namespace)
        return response

    async def create(self, info: RequestInfo, request: web.Request) -> web.Response:
        resource = info.target
        if info.name:
            raise method_not_allowed("POST", resource.plural, resource.group)
        if resource.namespaced and not info.namespace:
            raise bad_request("an empty namespace may not be set during creation")
        call = options.call_of(request, info)
        if "fieldManager" not in request.query and request.content_type == protobuf.CONTENT_TYPE:
            call.validation = "Ignore"
        created = self.registry.create(resource, info.namespace, await object_of(request), call)
        return self._answer(request, info, created, call, 201)

    async def update(self, info: RequestInfo, request: web.Request) -> web.Response:
        call = options.call_of(request, info)
        given = await object_of(request)
        obj = self.registry.update(info.target, info.namespace, info.name, given, call)
        return self._answer(request, info, obj, call)

    async def patch(self, info: RequestInfo, request: web.Request) -> web.Response:
        call = options.call_of(request, info)
        body = await body_of(request)
        if request.content_type == patch.APPLY:
            return await self._apply(info, request, body, call)
        change = self.change(request.content_type, body, info.target)
        call.patch = body if request.content_type == patch.STRATEGIC else None
        obj = self.registry.patch(info.target, info.namespace, info.name, change, call)
        return self._answer(request, info, obj, call)

    async def _apply(
        self, info: RequestInfo, request: web.Request, body: Any, call: Call
    ) -> web.Response:
        if not isinstance(body, dict):
            raise bad_request("an apply patch must be an object")
        if "fieldManager" not in request.query:
            missing = required("fieldManager", "is required for apply patch")
            raise invalid("meta.k8s.io", "PatchOptions", "", [missing])
        resource = info.target
        existed = self.store.get(self.registry.key(resource, info.namespace, info.name)) is not None
        if not existed:
            creating = replace(info.attributes(), verb="create")
            self.authorizer.require(request[USER], creating)
        force = request.query.get("force") == "true"
        obj = self.registry.apply(resource, info.namespace, info.name, body, call, force=force)
        return self._answer(request, info, obj, call, 200 if existed else 201)

    def change(self, kind: str, body: Any, resource: Resource) -> Callable[[Obj], Obj]:
        """The function that a patch is. APIError (4xx) for a patch that is none."""
        if kind not in patch.SUPPORTED:
            raise unsupported_media_type(*patch.SUPPORTED)
        if kind == patch.JSON:
            if not isinstance(body, list):
                into = "into Go value of type jsonpatch.Patch"
                raise bad_request(f"json: cannot unmarshal {json_kind(body)} {into}")
            return lambda obj: _object(patch.json_patch(obj, body))
        if not isinstance(body, dict):
            raise bad_request("the patch must be an object")
        if kind == patch.MERGE:
            return lambda obj: _object(patch.merge(obj, body))
        if resource.crd is not None:
            others = (kind for kind in patch.SUPPORTED if kind != patch.STRATEGIC)
            raise unsupported_media_type(*others)
        schema = self.registry.schemas.of(resource)
        return lambda obj: patch.strategic(self.registry.schemas, obj, body, schema)

    async def delete(self, info: RequestInfo, request: web.Request) -> web.Response:
        call, wanted = await self._deletion(info, request)
        resource = info.target
        obj, gone = self.registry.delete(resource, info.namespace, info.name, wanted, call)
        if not gone:
            return self._answer(request, info, obj, call)
        uid = obj["metadata"]["uid"]
        success: Obj = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        response = json_response(
            success | {"details": details(resource.group, resource.plural, info.name, uid=uid)}
        )
        self._warn(response, resource, call.warnings)
        return response

    async def delete_collection(self, info: RequestInfo, request: web.Request) -> web.Response:
        selection = options.selection(info, request)
        call, wanted = await self._deletion(info, request)
        selected = self._selected(info, selection)
        for obj in selected:
            self.registry.delete(info.target, namespace_of(obj), name_of(obj), wanted, call)
        meta = {"resourceVersion": str(self.store.revision)}
        return json_response(many(request, info.target, selected, meta))

    async def _deletion(
        self, info: RequestInfo, request: web.Request
    ) -> tuple[Call, DeleteOptions]:
        call = options.call_of(request, info)
        wanted, dry_run = await options.delete_options(request, self.registry.schemas)
        call.dry_run = call.dry_run or dry_run
        return call, wanted


def _object(value: Any) -> Obj:
    if not isinstance(value, dict):
        raise bad_request("the patched object is no longer an object")
    return value
