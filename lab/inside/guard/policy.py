"""Which requests to the Docker Engine's API are handed on in grading, and in what form.

An allow-list of API 1.24 to 1.4x: what ``docker``, ``docker compose``, BuildKit and the SDKs need
for containers, images, networks and volumes. What is not named here is refused, and so is each
field and query parameter that is neither known nor empty.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lab.inside.guard.containers import (
    CONFIG,
    require_creatable,
    require_endpoint,
    require_executable,
    require_updatable,
)
from lab.inside.guard.strict import (
    Forbidden,
    allow_only,
    build_target,
    malformed,
    names,
    parse_json,
    parse_target,
    require_short_labels,
)

Body = Literal["none", "json", "stream"]
Query = list[tuple[str, str]]
NAME = "[^/]+"
IMAGE = ".+"
BRIDGE_OPTIONS = frozenset(
    f"com.docker.network.{name}"
    for name in (
        "bridge.default_bridge",
        "bridge.enable_icc",
        "bridge.enable_ip_masquerade",
        "bridge.host_binding_ipv4",
        "bridge.inhibit_ipv4",
        "driver.mtu",
    )
)


# The kubelet's, by which it knows what it made.
CLUSTER_LABELS, CLUSTER_NAMES = "io.kubernetes.", "k8s_"


@dataclass(frozen=True)
class Route:
    """One kind of request. ``upgrade``: what its connection can become, a stream both ways."""

    method: str
    path: re.Pattern[str]
    body: Body = "none"
    upgrade: Literal["", "tcp", "h2c"] = ""
    judge_body: Callable[[dict[str, Any]], None] | None = None
    judge_query: Callable[[Mapping[str, str]], None] | None = None


def _network(body: dict[str, Any]) -> None:
    known = names(
        "Name Driver Scope CheckDuplicate EnableIPv6 EnableIPv4 Internal Attachable IPAM Labels"
        " Options"
    )
    allow_only(body, known, "a network")
    if (body.get("Driver") or "bridge") != "bridge" or (body.get("Scope") or "local") != "local":
        raise Forbidden(
            f"The network driver {body.get('Driver')!r} is not available in grading: bridge is."
        )
    allow_only(body.get("Options") or {}, BRIDGE_OPTIONS, "a network's options")
    ipam = body.get("IPAM") or {}
    allow_only(ipam, names("Driver Config"), "IPAM")
    if (ipam.get("Driver") or "default") != "default":
        raise Forbidden("IPAM drivers are not available in grading.")


def _connect(body: dict[str, Any]) -> None:
    allow_only(body, names("Container EndpointConfig Force"), "a network's member")
    require_endpoint(body.get("EndpointConfig"))


def _volume(body: dict[str, Any]) -> None:
    if body.get("DriverOpts"):
        raise Forbidden(
            "Volumes with driver options are not available in grading: they could mount anything."
        )
    allow_only(body, names("Name Driver Labels"), "a volume")
    if (body.get("Driver") or "local") != "local":
        raise Forbidden(
            f"The volume driver {body['Driver']!r} is not available in grading: local is."
        )


def _commit(body: dict[str, Any]) -> None:
    allow_only(body, CONFIG, "a committed image's configuration")


def _exec_start(body: dict[str, Any]) -> None:
    allow_only(body, names("Detach Tty ConsoleSize"), "docker exec")


def _login(body: dict[str, Any]) -> None:
    allow_only(body, names("username password email serveraddress auth identitytoken"), "a login")


def _build(query: Mapping[str, str]) -> None:
    if query.get("networkmode", "") not in ("", "default", "bridge", "none"):
        raise Forbidden(
            f"docker build --network {query['networkmode']} is not available in grading."
        )
    if query.get("remote", "") not in ("", "client-session"):
        raise Forbidden(
            "A build needs its context from your own folder in grading: there is no network."
        )
    for name in ("cgroupparent", "securityopt"):
        if query.get(name, "") not in ("", "null", "[]"):
            raise Forbidden(f"docker build with {name} is not available in grading.")


def _pull(query: Mapping[str, str]) -> None:
    if query.get("fromSrc", "") not in ("", "-"):
        raise Forbidden("An image can be imported from a file in grading, not from an address.")


_ID, _IMAGE = rf"(?P<id>{NAME})", rf"(?P<id>{IMAGE})"

_READS = (
    "/_ping",
    "/version",
    "/info",
    "/events",
    "/system/df",
    "/plugins",
    "/containers/json",
    rf"/containers/{_ID}/(json|logs|stats|top|changes|export|archive)",
    rf"/exec/{_ID}/json",
    "/images/json",
    "/images/get",
    "/images/search",
    rf"/images/{_IMAGE}/(json|history|get)",
    rf"/distribution/{_IMAGE}/json",
    "/networks",
    rf"/networks/{_ID}",
    "/volumes",
    rf"/volumes/{_ID}",
)
_CHANGES = (
    rf"/containers/{_ID}/(start|stop|restart|kill|pause|unpause|wait|resize|rename)",
    rf"/exec/{_ID}/resize",
    rf"/images/{_IMAGE}/(tag|push)",
    "/(containers|images|networks|volumes)/prune",
    "/build/(prune|cancel)",
)
_REMOVALS = (rf"/containers/{_ID}", rf"/images/{_IMAGE}", rf"/networks/{_ID}", rf"/volumes/{_ID}")


def _route(method: str, path: str, body: Body = "none", **more: Any) -> Route:
    return Route(method, re.compile(path), body, **more)


ROUTES = [
    _route("HEAD", "/_ping"),
    _route("HEAD", rf"/containers/{_ID}/archive"),
    *(_route("GET", path) for path in _READS),
    *(_route("POST", path) for path in _CHANGES),
    *(_route("DELETE", path) for path in _REMOVALS),
    _route("POST", "/containers/create", "json", judge_body=require_creatable),
    _route("POST", rf"/containers/{_ID}/update", "json", judge_body=require_updatable),
    _route("POST", rf"/containers/{_ID}/attach", upgrade="tcp"),
    _route("POST", rf"/containers/{_ID}/exec", "json", judge_body=require_executable),
    _route("POST", rf"/exec/{_ID}/start", "json", upgrade="tcp", judge_body=_exec_start),
    _route("PUT", rf"/containers/{_ID}/archive", "stream"),
    _route("POST", "/images/create", "stream", judge_query=_pull),
    _route("POST", "/images/load", "stream"),
    _route("POST", "/commit", "json", judge_body=_commit),
    _route("POST", "/auth", "json", judge_body=_login),
    _route("POST", "/networks/create", "json", judge_body=_network),
    _route("POST", rf"/networks/{_ID}/(connect|disconnect)", "json", judge_body=_connect),
    _route("POST", "/volumes/create", "json", judge_body=_volume),
    _route("POST", "/build", "stream", judge_query=_build),
    _route("POST", "/session", upgrade="h2c"),
    _route("POST", "/grpc", upgrade="h2c"),
]
REMOVED = re.compile(r"/(swarm|nodes|services|tasks|secrets|configs)(/|$)")


def find(method: str, path: str) -> Route:
    """The route of a request; Forbidden where there is none."""
    for route in ROUTES:
        if route.method == method and route.path.fullmatch(path):
            return route
    if REMOVED.match(path):
        raise Forbidden(
            "Swarm (services, stacks, secrets, configs, nodes) is not available in grading."
        )
    if path.startswith("/plugins"):
        raise Forbidden("Plugins are not available in grading: they run as a part of the engine.")
    raise Forbidden(f"{method} {path[:100]} is not available in grading.")


def judge(method: str, target: str, *, cluster: bool = False) -> tuple[Route, str]:
    """The route, and the target as it goes to the engine; else Forbidden.

    ``cluster``: the kubelet asks, for a Pod.
    """
    path, query = parse_target(target)
    route = find(method, path)
    _require_plain(query)
    if not cluster:
        _require_own_name(query)
    if route.judge_query:
        for name in {name for name, _ in query}:
            values = [value for other, value in query if other == name]
            for value in values:  # Go takes the first of several in one place and all in another
                route.judge_query({name: value})
    return route, build_target(target, query)


def _require_plain(query: Query) -> None:
    given = {name for name, _ in query}
    if len({name.casefold() for name in given}) != len(given):
        raise malformed("a query names each parameter in one way")


def _require_own_name(query: Query) -> None:
    if any(name == "name" and value.lstrip("/").startswith(CLUSTER_NAMES) for name, value in query):
        raise Forbidden(
            f"Names that begin with {CLUSTER_NAMES} are the cluster's: make a Pod with kubectl"
            " instead."
        )


def _require_own_labels(fields: Mapping[str, Any]) -> None:
    if any(str(name).startswith(CLUSTER_LABELS) for name in fields.get("Labels") or ()):
        raise Forbidden(
            f"Labels that begin with {CLUSTER_LABELS} are the cluster's: make a Pod with kubectl"
            " instead."
        )


def judged_body(
    route: Route,
    body: bytes,
    *,
    cluster: bool = False,
    settle: Callable[[dict[str, Any]], None] | None = None,
) -> bytes:
    """The JSON as it goes to the engine; Forbidden where it asks for too much.

    ``settle`` sees to the containers that it names (lab/inside/guard/owners.py).
    """
    if route.judge_body is None:
        return b""
    fields = parse_json(body)
    route.judge_body(fields)
    require_short_labels(fields.get("Labels"))
    if not cluster:
        _require_own_labels(fields)
    if settle:
        settle(fields)
    return json.dumps(fields).encode()
