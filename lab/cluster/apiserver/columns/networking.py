"""The columns of what leads to Pods."""

from typing import Any

from lab.cluster.apiserver.columns.base import NONE, UNSET, age
from lab.cluster.model.objects import Obj, at, name_of
from lab.cluster.model.selectors import from_map, from_object, text_of


def service(obj: Obj) -> list[Any]:
    spec = obj.get("spec") or {}
    kind = spec.get("type")
    external = ",".join(spec.get("externalIPs") or [])
    if kind == "LoadBalancer":
        given = [
            i.get("ip") or i.get("hostname")
            for i in at(obj, "status", "loadBalancer", "ingress", default=[])
        ]
        external = ",".join(filter(None, [*given, external])) or "<pending>"
    elif kind == "ExternalName":
        external = spec.get("externalName") or ""
    ports = ",".join(
        f"{p['port']}{':' + str(p['nodePort']) if p.get('nodePort') else ''}/{p.get('protocol')}"
        for p in spec.get("ports") or []
    )
    selector = text_of(from_map(spec.get("selector"))) or NONE
    return [
        name_of(obj),
        kind,
        spec.get("clusterIP") or NONE,
        external or NONE,
        ports or NONE,
        age(obj),
        selector,
    ]


def endpoints(obj: Obj) -> list[Any]:
    shown = []
    subsets = obj.get("subsets")
    if not subsets:
        return [name_of(obj), NONE, age(obj)]
    for subset in subsets:
        for port in subset.get("ports") or []:
            shown += [
                f"{address['ip']}:{port['port']}" for address in subset.get("addresses") or []
            ]
        if not subset.get("ports"):
            shown += [address["ip"] for address in subset.get("addresses") or []]
    more = f" + {len(shown) - 3} more..." if len(shown) > 3 else ""
    return [name_of(obj), ",".join(shown[:3]) + more, age(obj)]


def endpoint_slice(obj: Obj) -> list[Any]:
    ports = [
        str(p.get("port") if p.get("port") is not None else "*") for p in obj.get("ports") or []
    ]
    addresses = [
        a for endpoint in obj.get("endpoints") or [] for a in endpoint.get("addresses") or []
    ]
    return [name_of(obj), obj.get("addressType"), _few(ports), _few(addresses), age(obj)]


def _few(items: list[str]) -> str:
    if not items:
        return UNSET
    return ",".join(items[:3]) + (f" + {len(items) - 3} more..." if len(items) > 3 else "")


def ingress(obj: Obj) -> list[Any]:
    spec = obj.get("spec") or {}
    hosts = [rule["host"] for rule in spec.get("rules") or [] if rule.get("host")]
    shown = ",".join(hosts[:3]) + (f" + {len(hosts) - 3} more..." if len(hosts) > 3 else "")
    address = ",".join(
        i.get("ip") or i.get("hostname")
        for i in at(obj, "status", "loadBalancer", "ingress", default=[])
    )
    return [
        name_of(obj),
        spec.get("ingressClassName") or NONE,
        shown or "*",
        address,
        "80, 443" if spec.get("tls") else "80",
        age(obj),
    ]


def network_policy(obj: Obj) -> list[Any]:
    return [
        name_of(obj),
        text_of(from_object(at(obj, "spec", "podSelector", default={})) or []) or NONE,
        age(obj),
    ]
