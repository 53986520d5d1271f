"""The API server's proxy: HTTP to a Pod or to a Service through ``…/pods/NAME:PORT/proxy/PATH``."""

import random

import aiohttp
from aiohttp import web

from lab.cluster.apiserver.requestinfo import RequestInfo
from lab.cluster.model.errors import APIError, bad_request, not_found
from lab.cluster.model.objects import Obj, at
from lab.cluster.registry.registry import Registry
from lab.cluster.registry.targets import ready_targets

HOP_BY_HOP = frozenset(
    (
        "connection keep-alive proxy-authenticate proxy-authorization te trailers "
        "transfer-encoding upgrade authorization host content-length content-encoding "
        "accept-encoding"
    ).split()
)
SECONDS = 30.0


class Proxy:
    """The API server as a way in: HTTP passed on to a Pod, or to a ready Pod of a Service.

    It is what ``kubectl get --raw …/proxy/`` reaches, for someone who can reach the API server
    alone. Left out: nodes, WebSockets, bodies as streams. ``APIServer`` calls ``handle``.
    """

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    async def handle(self, info: RequestInfo, request: web.Request) -> web.StreamResponse:
        address = self._target(info)
        url = f"{address}/{info.rest}" + (
            f"?{request.query_string}" if request.query_string else ""
        )
        if info.path.endswith("/") and not url.endswith("/") and "?" not in url:
            url += "/"
        headers = {
            key: value for key, value in request.headers.items() if key.lower() not in HOP_BY_HOP
        }
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.request(
                    request.method,
                    url,
                    headers=headers,
                    data=await request.read(),
                    allow_redirects=False,
                ) as answer,
            ):
                kept = {
                    key: value
                    for key, value in answer.headers.items()
                    if key.lower() not in HOP_BY_HOP
                }
                return web.Response(body=await answer.read(), status=answer.status, headers=kept)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise APIError(
                503, "ServiceUnavailable", f"error trying to reach service: {error}"
            ) from error

    def _target(self, info: RequestInfo) -> str:
        """``http://ADDRESS:PORT`` of what the name stands for: ``[SCHEME:]NAME[:PORT]``."""
        parts = info.name.split(":")
        scheme, name, port = (
            ("http", *parts, "")[:3] if len(parts) < 3 else (parts[0] or "http", parts[1], parts[2])
        )
        if info.target.plural == "pods":
            pod = self.registry.get(info.target, info.namespace, name)
            address = at(pod, "status", "podIP")
            if not address:
                raise bad_request(f"pod {name} has no address yet")
            number = port or first_port(pod) or "80"
            if not number.isdecimal():  # an @ in it would lead to another host
                raise bad_request(f"pod {name}: {number} is no port")
            return f"{scheme}://{address}:{number}"
        if info.target.plural != "services":
            raise not_found(info.target.group, info.target.plural, info.name)
        return f"{scheme}://{self._endpoint(info, name, port)}"

    def _endpoint(self, info: RequestInfo, name: str, port: str) -> str:
        service = self.registry.get(info.target, info.namespace, name)
        listed = at(service, "spec", "ports", default=[])
        wanted = next(
            (p for p in listed if port in (str(p["port"]), p.get("name")) or not port), None
        )
        targets = (
            ready_targets(self.registry.store, info.namespace, name, wanted.get("name", ""))
            if wanted
            else []
        )
        if not targets:
            raise APIError(
                503, "ServiceUnavailable", f'no endpoints available for service "{name}"'
            )
        address, number = random.choice(targets)  # noqa: S311 (spreads load, guards nothing)
        return f"{address}:{number}"


def first_port(pod: Obj) -> str:
    ports = [p["containerPort"] for c in pod["spec"]["containers"] for p in c.get("ports") or []]
    return str(ports[0]) if ports else ""
