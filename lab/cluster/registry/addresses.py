"""Addresses and ports of Services: who has which, by the Services themselves; the next free one."""

import ipaddress
import secrets

from lab.cluster.model.errors import FieldError, invalid_value
from lab.cluster.model.objects import Obj, at
from lab.cluster.registry.store import Store

SERVICE_NETWORK = ipaddress.ip_network("10.96.0.0/16")
API_ADDRESS, DNS_ADDRESS = "10.96.0.1", "10.96.0.10"
DOMAIN = "cluster.local"
NODE_PORTS = range(30000, 32768)


def used_addresses(store: Store) -> set[str]:
    return {
        address
        for service in store.list("services")
        if (address := at(service, "spec", "clusterIP"))
    }


def used_node_ports(store: Store, but: Obj | None) -> set[int]:
    uid = but["metadata"]["uid"] if but else None
    return {
        port["nodePort"]
        for service in store.list("services")
        if service["metadata"]["uid"] != uid
        for port in at(service, "spec", "ports", default=[])
        if port.get("nodePort")
    }


def allocate_service(store: Store, service: Obj, old: Obj | None) -> list[FieldError]:
    """Give a Service what its type needs, in place. Returns what is wrong with what it asks for."""
    spec = service["spec"]
    if spec["type"] == "ExternalName":
        for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            spec.pop(key, None)
        return []
    errors = _allocate_address(store, spec, old)
    if not errors and spec["type"] in ("NodePort", "LoadBalancer"):
        errors = _allocate_node_ports(store, spec, old)
    return errors


def _allocate_address(store: Store, spec: Obj, old: Obj | None) -> list[FieldError]:
    given = spec.get("clusterIP")
    anything = given == "None" and not spec.get(
        "selector"
    )  # who fills in the endpoints may have both kinds
    spec.setdefault("ipFamilies", ["IPv4", "IPv6"] if anything else ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "RequireDualStack" if anything else "SingleStack")
    used = used_addresses(store)
    if given and given != "None" and not (old and at(old, "spec", "clusterIP") == given):
        if ipaddress.ip_address(given) not in SERVICE_NETWORK:
            why = (
                f"failed to allocate IP {given}: the provided IP ({given}) is not in the valid"
                f" range. The range of valid IPs is {SERVICE_NETWORK}"
            )
            return [invalid_value("spec.clusterIPs", [given], why)]
        if given in used:
            why = f"failed to allocate IP {given}: provided IP is already allocated"
            return [invalid_value("spec.clusterIPs", [given], why)]
    if not given:
        spec["clusterIP"] = _free_address(used)
    spec["clusterIPs"] = [spec["clusterIP"]]
    return []


def _free_address(used: set[str]) -> str:
    """A random address of the upper part; the lower 256 are left to those who name theirs."""
    while True:
        address = str(SERVICE_NETWORK[256 + secrets.randbelow(SERVICE_NETWORK.num_addresses - 512)])
        if address not in used:
            return address


def _allocate_node_ports(store: Store, spec: Obj, old: Obj | None) -> list[FieldError]:
    used = used_node_ports(store, old)
    before = {
        (p.get("port"), p.get("protocol")): p.get("nodePort")
        for p in at(old, "spec", "ports", default=[])
    }
    for index, port in enumerate(spec.get("ports") or []):
        asked = port.get("nodePort")
        here = f"spec.ports[{index}].nodePort"
        if asked and asked not in NODE_PORTS:
            why = (
                "provided port is not in the valid range. The range of valid ports is"
                f" {NODE_PORTS[0]}-{NODE_PORTS[-1]}"
            )
            return [invalid_value(here, asked, why)]
        if asked and asked in used:
            return [invalid_value(here, asked, "provided port is already allocated")]
        kept = before.get((port.get("port"), port.get("protocol")))
        if not asked:
            port["nodePort"] = kept if kept and kept not in used else _free_port(used)
        used.add(port["nodePort"])
    return []


def _free_port(used: set[int]) -> int:
    free = [port for port in NODE_PORTS if port not in used]
    return secrets.choice(free)
