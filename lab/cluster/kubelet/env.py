"""A container's environment: Services, ``envFrom``, ``env``, and ``$(NAME)`` expanded."""

import base64
import re
from collections.abc import Mapping

from lab.cluster.model import quantity
from lab.cluster.model.objects import (
    Obj,
    annotations_of,
    at,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
)
from lab.cluster.registry.client import Client

VARIABLE = re.compile(r"\$\$|\$\(([^()]+)\)")


class ConfigError(Exception):
    """Something that a Pod refers to is missing or unusable; the text is what its event says."""


def expand(text: str, values: Mapping[str, str]) -> str:
    """``$(NAME)`` replaced where NAME is known; ``$$`` is a plain dollar."""
    return VARIABLE.sub(lambda m: "$" if m[0] == "$$" else values.get(m[1], m[0]), text)


def environment(client: Client, pod: Obj, container: Obj) -> dict[str, str]:
    """All variables of a container. ConfigError when one cannot be had."""
    values = service_variables(client, pod)
    for source in container.get("envFrom") or []:
        values |= _from_source(client, pod, source)
    for variable in container.get("env") or []:
        if variable.get("valueFrom"):
            value = _referenced(client, pod, container, variable["valueFrom"])
            if value is not None:
                values[variable["name"]] = value
        else:
            values[variable["name"]] = expand(str(variable.get("value", "")), values)
    return values


def service_variables(client: Client, pod: Obj) -> dict[str, str]:
    """``WEB_SERVICE_HOST`` and the like, for the Services there are when a container starts."""
    services = [s for s in client.list("services", "default") if name_of(s) == "kubernetes"]
    if pod["spec"].get("enableServiceLinks", True):
        services += [s for s in client.list("services", namespace_of(pod)) if s not in services]
    values: dict[str, str] = {}
    for service in services:
        address = at(service, "spec", "clusterIP")
        if address and address != "None" and service["spec"].get("ports"):
            values |= _service(
                name_of(service).upper().replace("-", "_"), address, service["spec"]["ports"]
            )
    return values


def _service(prefix: str, address: str, ports: list[Obj]) -> dict[str, str]:
    values = {f"{prefix}_SERVICE_HOST": address, f"{prefix}_SERVICE_PORT": str(ports[0]["port"])}
    for index, port in enumerate(ports):
        number, protocol = str(port["port"]), str(port.get("protocol", "TCP"))
        if port.get("name"):
            values[f"{prefix}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = number
        url = f"{protocol.lower()}://{address}:{number}"
        if index == 0:
            values[f"{prefix}_PORT"] = url
        base = f"{prefix}_PORT_{number}_{protocol}"
        values |= {
            base: url,
            f"{base}_PROTO": protocol.lower(),
            f"{base}_PORT": number,
            f"{base}_ADDR": address,
        }
    return values


def _from_source(client: Client, pod: Obj, source: Obj) -> dict[str, str]:
    prefix = source.get("prefix", "")
    if source.get("configMapRef"):
        source_object = client.get("configmaps", namespace_of(pod), source["configMapRef"]["name"])
        if source_object is None and not source["configMapRef"].get("optional"):
            raise ConfigError(f'configmap "{source["configMapRef"]["name"]}" not found')
        return {
            prefix + key: value for key, value in ((source_object or {}).get("data") or {}).items()
        }
    source_object = client.get("secrets", namespace_of(pod), source["secretRef"]["name"])
    if source_object is None and not source["secretRef"].get("optional"):
        raise ConfigError(f'secret "{source["secretRef"]["name"]}" not found')
    data = (source_object or {}).get("data") or {}
    return {
        prefix + key: base64.b64decode(value).decode(errors="replace")
        for key, value in data.items()
    }


def _referenced(client: Client, pod: Obj, container: Obj, source: Obj) -> str | None:
    """The value; None where an optional reference leads nowhere."""
    if source.get("fieldRef"):
        return downward_field(pod, source["fieldRef"]["fieldPath"])
    if source.get("resourceFieldRef"):
        return resource_field(
            pod, {"containerName": container["name"]} | source["resourceFieldRef"]
        )
    for kind, resource, shown in (
        ("configMapKeyRef", "configmaps", "configmap"),
        ("secretKeyRef", "secrets", "secret"),
    ):
        reference = source.get(kind)
        if reference:
            obj = client.get(resource, namespace_of(pod), reference.get("name", ""))
            value = ((obj or {}).get("data") or {}).get(reference["key"])
            if value is not None:
                return (
                    base64.b64decode(value).decode(errors="replace")
                    if shown == "secret"
                    else str(value)
                )
            if reference.get("optional"):
                return None
            if obj is None:
                raise ConfigError(f'{shown} "{reference.get("name", "")}" not found')
            title = "Secret" if shown == "secret" else "ConfigMap"
            raise ConfigError(
                f"couldn't find key {reference['key']} in {title}"
                f" {namespace_of(pod)}/{reference['name']}"
            )
    return None


def downward_field(pod: Obj, path: str) -> str:
    """A field of the Pod by the downward API's path."""
    simple = {
        "metadata.name": name_of(pod),
        "metadata.namespace": namespace_of(pod),
        "metadata.uid": uid_of(pod),
        "spec.nodeName": at(pod, "spec", "nodeName", default=""),
        "spec.serviceAccountName": at(pod, "spec", "serviceAccountName", default=""),
        "status.hostIP": at(pod, "status", "hostIP", default=""),
        "status.podIP": at(pod, "status", "podIP", default=""),
        "status.hostIPs": at(pod, "status", "hostIP", default=""),
        "status.podIPs": at(pod, "status", "podIP", default=""),
    }
    if path in simple:
        return str(simple[path])
    match = re.fullmatch(r"metadata\.(labels|annotations)(?:\['(.+)'\])?", path)
    if not match:
        raise ConfigError(f"unsupported fieldPath: {path}")
    values = labels_of(pod) if match[1] == "labels" else annotations_of(pod)
    if match[2]:
        return values.get(match[2], "")
    return "\n".join(f'{key}="{value}"' for key, value in sorted(values.items()))


def resource_field(pod: Obj, reference: Obj) -> str:
    """A container's request or limit, in units of the divisor, rounded up."""
    name = reference.get("containerName")
    container = next((c for c in pod["spec"]["containers"] if c["name"] == name), None)
    kind, _, resource = str(reference["resource"]).partition(".")
    if container is None or kind not in ("limits", "requests"):
        raise ConfigError(f"container {name} not found")
    amount = at(container, "resources", kind, resource, default=0)
    divisor = quantity.parse(reference.get("divisor") or 1) or 1
    return str(-int(-quantity.parse(amount) // divisor))
