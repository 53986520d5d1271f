"""Services, Ingresses and NetworkPolicies."""

import ipaddress
from collections.abc import Iterator

from lab.cluster.model.errors import (
    FieldError,
    duplicate,
    field_forbidden,
    invalid_value,
    required,
    unsupported,
)
from lab.cluster.model.names import is_label, is_subdomain
from lab.cluster.model.objects import Obj, at
from lab.cluster.registry.validation.metadata import labels
from lab.cluster.registry.validation.pods import PORT_RANGE, PROTOCOLS, SVC_NAME

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")


def service(obj: Obj) -> Iterator[FieldError]:
    spec = obj.get("spec") or {}
    kind = spec.get("type")
    ports = spec.get("ports") or []
    if not ports and kind != "ExternalName" and spec.get("clusterIP") != "None":
        yield required("spec.ports")
    if kind == "ExternalName":
        name = str(spec.get("externalName") or "").rstrip(".")
        if not name:
            yield required("spec.externalName")
        elif why := is_subdomain(name):
            yield invalid_value("spec.externalName", name, why)
    names: set[str] = set()
    seen: set[tuple[object, object]] = set()
    for index, port in enumerate(ports):
        yield from _port(port, f"spec.ports[{index}]", kind, len(ports) > 1, names)
        key = (port.get("port"), port.get("protocol"))
        if key in seen:
            yield duplicate(f"spec.ports[{index}]", {"port": key[0], "protocol": key[1]})
        seen.add(key)
    yield from labels(spec.get("selector"), "spec.selector")
    if spec.get("sessionAffinity") not in ("ClientIP", "None"):
        yield unsupported("spec.sessionAffinity", spec.get("sessionAffinity"), ("ClientIP", "None"))
    if kind not in TYPES:
        yield unsupported("spec.type", kind, TYPES)
    address = spec.get("clusterIP")
    if address and address != "None" and not _is_address(address):
        yield invalid_value(
            "spec.clusterIPs[0]",
            address,
            "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _port(
    port: Obj, path: str, kind: str | None, named: bool, names: set[str]
) -> Iterator[FieldError]:
    name = port.get("name") or ""
    if named and not name:
        yield required(f"{path}.name")
    elif name:
        if why := is_label(name):
            yield invalid_value(f"{path}.name", name, why)
        elif name in names:
            yield duplicate(f"{path}.name", name)
        names.add(name)
    number = port.get("port")
    if not isinstance(number, int) or not 1 <= number <= 65535:
        yield invalid_value(f"{path}.port", number or 0, PORT_RANGE)
    if port.get("protocol") not in PROTOCOLS:
        yield unsupported(f"{path}.protocol", port.get("protocol"), PROTOCOLS)
    target = port.get("targetPort")
    if isinstance(target, int) and not 1 <= target <= 65535:
        yield invalid_value(f"{path}.targetPort", target, PORT_RANGE)
    if isinstance(target, str) and not SVC_NAME.fullmatch(target):
        yield invalid_value(f"{path}.targetPort", target, "must contain at least one letter (a-z)")
    if port.get("nodePort") and kind in ("ClusterIP", "ExternalName"):
        yield field_forbidden(f"{path}.nodePort", f"may not be used when `type` is '{kind}'")


def service_update(old: Obj, new: Obj) -> Iterator[FieldError]:
    before, after = at(old, "spec", "clusterIP"), at(new, "spec", "clusterIP")
    if before and before != after and at(new, "spec", "type") != "ExternalName":
        yield invalid_value(
            "spec.clusterIPs[0]", [after] if after else [], "may not change once set"
        )


def ingress(obj: Obj) -> Iterator[FieldError]:
    spec = obj.get("spec") or {}
    if not spec.get("rules") and not spec.get("defaultBackend"):
        yield invalid_value("spec", None, "either `defaultBackend` or `rules` must be specified")
    if spec.get("defaultBackend") is not None:
        yield from _backend(spec["defaultBackend"], "spec.defaultBackend")
    for number, rule in enumerate(spec.get("rules") or []):
        host = rule.get("host") or ""
        if host and (why := is_subdomain(host.removeprefix("*."))):
            yield invalid_value(f"spec.rules[{number}].host", host, why)
        for index, path in enumerate(at(rule, "http", "paths", default=[])):
            yield from _ingress_path(path, f"spec.rules[{number}].http.paths[{index}]")


def _ingress_path(path: Obj, here: str) -> Iterator[FieldError]:
    kind = path.get("pathType")
    if kind is None:
        yield required(f"{here}.pathType", "pathType must be specified")
        return
    given = str(path.get("path") or "")
    if kind not in PATH_TYPES:
        yield unsupported(f"{here}.pathType", kind, PATH_TYPES)
    elif not given.startswith("/") and (given or kind != "ImplementationSpecific"):
        yield invalid_value(f"{here}.path", given, "must be an absolute path")
    yield from _backend(path.get("backend") or {}, f"{here}.backend")


def _backend(backend: Obj, here: str) -> Iterator[FieldError]:
    service = backend.get("service")
    if service is None and backend.get("resource") is None:
        yield invalid_value(here, "", "resource or service backend is required")
    elif service is not None and backend.get("resource") is not None:
        yield invalid_value(here, "", "cannot set both resource and service backends")
    elif service is not None:
        yield from _service_backend(service, here)


def _service_backend(service: Obj, here: str) -> Iterator[FieldError]:
    name, port = service.get("name"), service.get("port") or {}
    if not name:
        yield required(f"{here}.service.name")
    elif why := is_label(name):
        yield invalid_value(f"{here}.service.name", name, why)
    if port.get("name") and port.get("number"):
        yield invalid_value(here, "", "cannot set both port name & port number")
    elif not port.get("name") and not port.get("number"):
        yield required(here, "port name or number is required")
    elif port.get("number") and not 1 <= port["number"] <= 65535:
        yield invalid_value(f"{here}.service.port.number", port["number"], PORT_RANGE)


def network_policy(obj: Obj) -> Iterator[FieldError]:
    for index, kind in enumerate(at(obj, "spec", "policyTypes", default=[])):
        if kind not in ("Egress", "Ingress"):
            yield unsupported(f"spec.policyTypes[{index}]", kind, ("Egress", "Ingress"))
