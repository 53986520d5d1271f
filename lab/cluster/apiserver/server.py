"""The API server: authenticates, authorizes and hands on every request."""

import asyncio
import logging
import platform
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from aiohttp import web

from lab.cluster import VERSION
from lab.cluster.apiserver import discovery
from lab.cluster.apiserver.auth import Authenticator, Authorizer, User
from lab.cluster.apiserver.negotiation import json_response, many, one
from lab.cluster.apiserver.openapi import OpenAPI
from lab.cluster.apiserver.openapiv2 import encode as encode_v2
from lab.cluster.apiserver.pki import ADMIN_GROUP
from lab.cluster.apiserver.proxy import Proxy
from lab.cluster.apiserver.requestinfo import RequestInfo, parse
from lab.cluster.apiserver.rest import DEPRECATED, USER, Rest, warning_headers
from lab.cluster.apiserver.streams import Streams
from lab.cluster.apiserver.subresources import REVIEWS, Subresources
from lab.cluster.kubelet.host import go_architecture
from lab.cluster.model.errors import APIError, internal, no_such_path
from lab.cluster.model.objects import Obj
from lab.cluster.registry.registry import Registry

LOG = logging.getLogger("apiserver")
LARGEST_BODY = 3 * 1024 * 1024
V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
PROBES = ("healthz", "livez", "readyz")
PATHS = "/api /apis /healthz /livez /openapi/v2 /openapi/v3 /readyz /version".split()
CHECKS = """
    ping log informer-sync poststarthook/start-apiserver-admission-initializer
    poststarthook/generic-apiserver-start-informers
    poststarthook/priority-and-fairness-config-consumer
    poststarthook/priority-and-fairness-filter poststarthook/storage-object-count-tracker-hook
    poststarthook/start-apiextensions-informers poststarthook/start-apiextensions-controllers
    poststarthook/crd-informer-synced poststarthook/start-system-namespaces-controller
    poststarthook/peer-endpoint-reconciler-controller
    poststarthook/start-cluster-authentication-info-controller
    poststarthook/start-kube-apiserver-identity-lease-controller
    poststarthook/start-kube-apiserver-identity-lease-garbage-collector
    poststarthook/storage-readiness poststarthook/start-legacy-token-tracking-controller
    poststarthook/start-service-ip-repair-controllers poststarthook/rbac/bootstrap-roles
    poststarthook/scheduling/bootstrap-system-priority-classes
    poststarthook/priority-and-fairness-config-producer poststarthook/bootstrap-controller
    poststarthook/start-kubernetes-service-cidr-controller
    poststarthook/aggregator-reload-proxy-client-cert
    poststarthook/start-kube-aggregator-informers
    poststarthook/apiservice-status-local-available-controller
    poststarthook/apiservice-status-remote-available-controller
    poststarthook/apiservice-registration-controller
    poststarthook/apiservice-wait-for-first-sync poststarthook/apiservice-discovery-controller
    poststarthook/kube-apiserver-autoregistration autoregister-completion
    poststarthook/apiservice-openapi-controller poststarthook/apiservice-openapiv3-controller
""".split()
INFO: Obj = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": VERSION,
    "gitCommit": "98b35193b2ac7a23a673325f5e9b830ecd5ba406",
    "gitTreeState": "clean",
    "buildDate": "2026-06-10T12:00:00Z",
    "goVersion": "go1.27.3",
    "compiler": "gc",
    "platform": f"linux/{go_architecture(platform.machine())}",
}


async def _set_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Audit-Id"] = str(uuid4())
    response.headers["Cache-Control"] = "no-cache, private"
    response.headers.popall("Server", None)


class APIServer:
    """The front door of the cluster: the only part that clients talk to.

    Each request is authenticated, its path taken apart, authorized by RBAC, and then answered by
    the REST handlers, by a subresource, by a stream into a Pod or by the proxy; discovery and
    OpenAPI are answered here. Left out: admission webhooks, aggregated APIs, audit, HTTP/2.
    ``Cluster`` starts it; ``ready`` becomes true when everything runs.
    """

    def __init__(
        self,
        registry: Registry,
        authenticator: Authenticator,
        authorizer: Authorizer,
        openapi: OpenAPI,
        streams: Streams,
        proxy: Proxy,
    ) -> None:
        self.registry, self.resources, self.openapi = registry, registry.resources, openapi
        self.authenticator, self.authorizer = authenticator, authorizer
        self.rest = Rest(registry, authorizer)
        self.subresources = Subresources(registry, self.rest, authenticator, authorizer)
        self.streams, self.proxy = streams, proxy
        self.ready = False
        self.asked: Callable[..., None] = lambda *_, **__: None  # told of each request's connection

    def application(self) -> web.Application:
        app = web.Application(client_max_size=LARGEST_BODY)
        app.on_response_prepare.append(_set_headers)
        app.router.add_route("*", "/{path:.*}", self.handle)
        return app

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request; whatever fails becomes a Status."""
        try:
            return await self._answer(request)
        except APIError as error:
            return json_response(error.status(), error.code)
        except web.HTTPRequestEntityTooLarge:
            why = f"the body of the request is larger than {LARGEST_BODY} bytes"
            return json_response(APIError(413, "RequestEntityTooLarge", why).status(), 413)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            LOG.exception("%s %s failed", request.method, request.path)
            return json_response(internal(f"{type(error).__name__}: {error}").status(), 500)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        user = request[USER] = self._user(request)
        self.asked(request.protocol, administrator=ADMIN_GROUP in user.groups)
        watch = request.query.get("watch") in ("true", "1", "") and "watch" in request.query
        info = parse(self.resources, request.method, request.path, watch=watch)
        self.authorizer.require(user, info.attributes())
        if info.resource is None:
            return await self._other(request)
        if info.target.plural in REVIEWS:
            return await self.subresources.review(info, request, user)
        if info.target.plural == "componentstatuses":
            return self._component_statuses(request, info)
        if info.subresource:
            return await self._subresource(info, request)
        return await self.rest.handle(info, request)

    def _user(self, request: web.Request) -> User:
        transport = request.transport
        tls: Any = transport.get_extra_info("ssl_object") if transport else None
        certificate = tls.getpeercert(True) if tls else None
        subject = (
            {key: value for part in tls.getpeercert().get("subject", ()) for key, value in part}
            if certificate
            else {}
        )
        user = self.authenticator.authenticate(
            certificate, subject, request.headers.get("Authorization", "")
        )
        groups = request.headers.getall("Impersonate-Group", [])
        return self.authenticator.impersonate(user, request.headers, groups, self.authorizer)

    async def _subresource(self, info: RequestInfo, request: web.Request) -> web.StreamResponse:
        match info.subresource:
            case "scale" | "binding" | "eviction" | "token":
                return await self.subresources.handlers[info.subresource](info, request)
            case "log" | "exec" | "attach" | "portforward":
                pod = self.registry.get(info.target, info.namespace, info.name)
                return await self.streams.handle(info.subresource, pod, request)
            case "proxy":
                return await self.proxy.handle(info, request)
        return await self.rest.handle(info, request)

    # ------------------------------------------------------- what is no resource

    async def _other(self, request: web.Request) -> web.StreamResponse:
        parts = [part for part in request.path.split("/") if part]
        if not parts:
            return json_response({"paths": PATHS}, pretty=True)
        if parts[0] in PROBES:
            return self._probe(parts, request)
        if parts == ["version"]:
            return json_response(INFO, pretty=True)
        if parts[0] == "openapi":
            return self._openapi(parts[1:], request)
        if parts[0] in ("api", "apis"):
            document = self._discovery(parts, request)
            if document is not None:
                return document
        if parts[0] in ("api", "apis") and len(parts) > 2:
            return web.Response(text="404 page not found\n", status=404)
        raise no_such_path()

    def _probe(self, parts: list[str], request: web.Request) -> web.Response:
        if not self.ready and parts[0] == "readyz":
            return web.Response(text="not ready\n", status=500)
        if "verbose" not in request.query:
            return web.Response(text="ok")
        checks = [
            check for check in (*CHECKS, "shutdown") if parts[0] == "readyz" or check != "shutdown"
        ]
        lines = [f"[+]{check} ok" for check in checks]
        return web.Response(text="\n".join([*lines, f"{parts[0]} check passed", ""]))

    def _discovery(self, parts: list[str], request: web.Request) -> web.Response | None:
        wanted = "as=APIGroupDiscoveryList" in request.headers.get(
            "Accept", ""
        ) and "v=v2;" in request.headers["Accept"].replace(" ", "")
        kind = "application/json"
        document: Obj | None = None
        if len(parts) == 1 and wanted:
            document, kind = (
                discovery.aggregated(self.resources, core=parts[0] == "api"),
                discovery.AGGREGATED,
            )
        elif parts == ["api"]:
            document = discovery.api_versions(request.host)
        elif parts == ["apis"]:
            document = discovery.api_groups(self.resources)
        elif parts[0] == "api" and len(parts) == 2:
            document = discovery.api_resources(self.resources, "", parts[1])
        elif parts[0] == "apis" and len(parts) == 2:
            document = discovery.api_group(self.resources, parts[1])
        elif parts[0] == "apis" and len(parts) == 3:
            document = discovery.api_resources(self.resources, parts[1], parts[2])
        if document is None:
            return None
        etag = discovery.etag(document)
        headers = {"ETag": etag, "Vary": "Accept"}
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers=headers)
        return json_response(document, kind=kind, headers=headers)

    def _openapi(self, parts: list[str], request: web.Request) -> web.Response:
        if parts == ["v3"]:
            return json_response(self.openapi.index())
        if parts[:1] == ["v3"] and len(parts) in (3, 4):
            document = self.openapi.v3("" if parts[1] == "api" else parts[2], parts[-1])
            if document is not None:
                return json_response(document)
        if parts == ["v2"]:
            if V2_PROTOBUF in request.headers.get("Accept", ""):
                return web.Response(
                    body=encode_v2(self.openapi.v2()),
                    headers={"Content-Type": V2_PROTOBUF.replace("@", ".")},
                )
            return json_response(self.openapi.v2())
        return web.Response(text="404 page not found\n", status=404)

    def _component_statuses(self, request: web.Request, info: RequestInfo) -> web.Response:
        """The controller manager, the scheduler and the store: they are this process."""
        names = ("controller-manager", "scheduler", "etcd-0")
        if info.name and info.name not in names:
            raise APIError(404, "NotFound", f'componentstatuses "{info.name}" not found')
        objects = [_component(name) for name in names if info.name in ("", name)]
        body = (
            one(request, info.target, objects[0])
            if info.name
            else many(request, info.target, objects, {})
        )
        response = json_response(body)
        response.headers.extend(warning_headers([DEPRECATED["componentstatuses"]]))
        return response


def _component(name: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "ComponentStatus",
        "metadata": {"name": name},
        "conditions": [{"type": "Healthy", "status": "True", "message": "ok"}],
    }
