"""Pods and the Pods in templates."""

import re
from collections.abc import Iterator
from typing import Any

from lab.cluster.model import gostruct, quantity
from lab.cluster.model.errors import (
    FieldError,
    duplicate,
    field_forbidden,
    field_not_found,
    invalid_value,
    required,
    unsupported,
)
from lab.cluster.model.names import is_label, is_qualified_name
from lab.cluster.model.objects import Obj, at, copy
from lab.cluster.registry.validation.metadata import labels

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
PROTOCOLS = ("SCTP", "TCP", "UDP")
PORT_RANGE = "must be between 1 and 65535, inclusive"
NOT_NEGATIVE = "must be greater than or equal to 0"
SVC_NAME = re.compile(r"(?!-)(?!.*--)[a-z0-9-]*[a-z][a-z0-9-]*(?<!-)")
ENV_NAME = re.compile(r"[ -<>-~]+")
ENV_ERROR = (
    "a valid environment variable name must consist only of printable ASCII characters other"
    " than '='"
)
MUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions"
    " to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it"
    " was previously negative)\n"
)


def pod(obj: Obj) -> Iterator[FieldError]:
    yield from pod_spec(obj.get("spec") or {}, "spec")


def template(given: Obj, path: str) -> Iterator[FieldError]:
    yield from labels((given.get("metadata") or {}).get("labels"), f"{path}.metadata.labels")
    yield from pod_spec(given.get("spec") or {}, f"{path}.spec")


def pod_spec(spec: Obj, path: str) -> Iterator[FieldError]:
    volumes: set[str] = set()
    for index, volume in enumerate(spec.get("volumes") or []):
        yield from _volume(volume, f"{path}.volumes[{index}]", volumes)
        volumes.add(volume.get("name", ""))
    names: set[str] = set()
    if not spec.get("containers"):
        yield required(f"{path}.containers")
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field) or []):
            yield from _container(container, f"{path}.{field}[{index}]", names, volumes)
            names.add(container.get("name", ""))
    if spec.get("restartPolicy") not in RESTART_POLICIES:
        yield unsupported(f"{path}.restartPolicy", spec.get("restartPolicy"), RESTART_POLICIES)
    if spec.get("dnsPolicy") not in DNS_POLICIES:
        yield unsupported(f"{path}.dnsPolicy", spec.get("dnsPolicy"), DNS_POLICIES)
    yield from labels(spec.get("nodeSelector"), f"{path}.nodeSelector")
    if spec.get("hostname") and (why := is_label(spec["hostname"])):
        yield invalid_value(f"{path}.hostname", spec["hostname"], why)
    if spec.get("activeDeadlineSeconds") is not None and spec["activeDeadlineSeconds"] < 1:
        yield invalid_value(
            f"{path}.activeDeadlineSeconds",
            spec["activeDeadlineSeconds"],
            "must be between 1 and 2147483647, inclusive",
        )
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        yield invalid_value(
            f"{path}.terminationGracePeriodSeconds",
            spec["terminationGracePeriodSeconds"],
            NOT_NEGATIVE,
        )


def _volume(volume: Obj, path: str, seen: set[str]) -> Iterator[FieldError]:
    name = volume.get("name") or ""
    if not name:
        yield required(f"{path}.name")
    elif why := is_label(name):
        yield invalid_value(f"{path}.name", name, why)
    elif name in seen:
        yield duplicate(f"{path}.name", name)
    sources = [key for key in volume if key != "name"]
    for extra in sources[1:]:
        yield field_forbidden(f"{path}.{extra}", "may not specify more than 1 volume type")
    if volume.get("hostPath") is not None and not volume["hostPath"].get("path"):
        yield required(f"{path}.hostPath.path")
    if volume.get("secret") is not None and not volume["secret"].get("secretName"):
        yield required(f"{path}.secret.secretName")
    if volume.get("configMap") is not None and not volume["configMap"].get("name"):
        yield required(f"{path}.configMap.name")
    if volume.get("persistentVolumeClaim") is not None and not volume["persistentVolumeClaim"].get(
        "claimName"
    ):
        yield required(f"{path}.persistentVolumeClaim.claimName")


def _container(
    container: Obj, path: str, seen: set[str], volumes: set[str]
) -> Iterator[FieldError]:
    name = container.get("name") or ""
    if not name:
        yield required(f"{path}.name")
    elif why := is_label(name):
        yield invalid_value(f"{path}.name", name, why)
    elif name in seen:
        yield duplicate(f"{path}.name", name)
    image = container.get("image") or ""
    if not image:
        yield required(f"{path}.image")
    elif image != image.strip():
        yield invalid_value(f"{path}.image", image, "must not have leading or trailing whitespace")
    yield from _ports(container.get("ports") or [], f"{path}.ports")
    yield from _env(container.get("env") or [], f"{path}.env")
    yield from _env_from(container.get("envFrom") or [], f"{path}.envFrom")
    yield from _mounts(container.get("volumeMounts") or [], f"{path}.volumeMounts", volumes)
    if container.get("imagePullPolicy") not in PULL_POLICIES:
        yield unsupported(
            f"{path}.imagePullPolicy", container.get("imagePullPolicy"), PULL_POLICIES
        )
    yield from resources(container.get("resources") or {}, f"{path}.resources")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(probe) is not None:
            yield from _probe(
                container[probe], f"{path}.{probe}", readiness=probe == "readinessProbe"
            )


def _is_port(value: Any) -> bool:
    return isinstance(value, int) and 1 <= value <= 65535


def _ports(ports: list[Obj], path: str) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, port in enumerate(ports):
        here = f"{path}[{index}]"
        name = port.get("name")
        if name:
            if len(name) > 15:
                yield invalid_value(f"{here}.name", name, "must be no more than 15 bytes")
            elif not SVC_NAME.fullmatch(name):
                yield invalid_value(
                    f"{here}.name",
                    name,
                    "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
                )
            elif name in names:
                yield duplicate(f"{here}.name", name)
            names.add(name)
        number = port.get("containerPort") or 0
        if number == 0:
            yield required(f"{here}.containerPort")
        elif not _is_port(number):
            yield invalid_value(f"{here}.containerPort", number, PORT_RANGE)
        if port.get("hostPort") and not _is_port(port["hostPort"]):
            yield invalid_value(f"{here}.hostPort", port["hostPort"], PORT_RANGE)
        if port.get("protocol") not in PROTOCOLS:
            yield unsupported(f"{here}.protocol", port.get("protocol"), PROTOCOLS)


def _env(variables: list[Obj], path: str) -> Iterator[FieldError]:
    for index, variable in enumerate(variables):
        here = f"{path}[{index}]"
        name = variable.get("name") or ""
        if not name:
            yield required(f"{here}.name")
        elif not ENV_NAME.fullmatch(name):
            yield invalid_value(f"{here}.name", name, ENV_ERROR)
        source = variable.get("valueFrom")
        if source is not None:
            yield from _env_source(source, f"{here}.valueFrom", bool(variable.get("value")))


def _env_source(source: Obj, path: str, has_value: bool) -> Iterator[FieldError]:
    if not source:
        yield invalid_value(
            path,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef`"
            " or `fileKeyRef`",
        )
    elif has_value:
        yield invalid_value(path, "", "may not be specified when `value` is not empty")
    elif len(source) > 1:
        yield invalid_value(path, "", "may not have more than one field specified at a time")
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if source.get(kind) is not None and not source[kind].get("key"):
            yield required(f"{path}.{kind}.key")


def _env_from(sources: list[Obj], path: str) -> Iterator[FieldError]:
    for index, source in enumerate(sources):
        for kind in ("configMapRef", "secretRef"):
            if source.get(kind) is not None and not source[kind].get("name"):
                yield required(f"{path}[{index}].{kind}.name")
        if not source.get("configMapRef") and not source.get("secretRef"):
            yield invalid_value(
                f"{path}[{index}]", "", "must specify one of: `configMapRef` or `secretRef`"
            )


def _mounts(mounts: list[Obj], path: str, volumes: set[str]) -> Iterator[FieldError]:
    paths: set[str] = set()
    for index, mount in enumerate(mounts):
        here = f"{path}[{index}]"
        if not mount.get("name"):
            yield required(f"{here}.name")
        elif mount["name"] not in volumes:
            yield field_not_found(f"{here}.name", mount["name"])
        target = mount.get("mountPath") or ""
        if not target:
            yield required(f"{here}.mountPath")
        elif target in paths:
            yield invalid_value(f"{here}.mountPath", target, "must be unique")
        paths.add(target)
        if ".." in str(mount.get("subPath") or "").split("/"):
            yield invalid_value(f"{here}.subPath", mount["subPath"], "must not contain '..'")


def resources(given: Obj, path: str) -> Iterator[FieldError]:
    limits, requests = given.get("limits") or {}, given.get("requests") or {}
    for field, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in sorted(amounts.items()):
            here = f"{path}.{field}[{name}]"
            if why := is_qualified_name(name):
                yield invalid_value(here, name, why)
            elif (
                "/" not in name
                and name not in ("cpu", "memory", "ephemeral-storage")
                and not name.startswith("hugepages-")
            ):
                yield invalid_value(
                    here, name, "must be a standard resource type or fully qualified"
                )
            if quantity.parse(amount) < 0:
                yield invalid_value(here, amount, NOT_NEGATIVE)
    for name, amount in sorted(requests.items()):
        if name in limits and quantity.parse(amount) > quantity.parse(limits[name]):
            yield invalid_value(
                f"{path}.requests",
                amount,
                f"must be less than or equal to {name} limit of {limits[name]}",
            )


def _probe(probe: Obj, path: str, *, readiness: bool) -> Iterator[FieldError]:
    handlers = [
        key for key in ("exec", "httpGet", "tcpSocket", "grpc") if probe.get(key) is not None
    ]
    if not handlers:
        yield required(path, "must specify a handler type")
    for number, kind in enumerate(handlers):
        port = at(probe, kind, "port")
        if number:
            yield field_forbidden(f"{path}.{kind}", "may not specify more than 1 handler type")
        elif kind == "exec" and not probe["exec"].get("command"):
            yield required(f"{path}.exec.command")
        elif kind != "exec" and isinstance(port, int) and not _is_port(port):
            yield invalid_value(f"{path}.{kind}.port", port, PORT_RANGE)
    for field in (
        "initialDelaySeconds timeoutSeconds periodSeconds successThreshold failureThreshold".split()
    ):
        if probe.get(field, 0) < 0:
            yield invalid_value(f"{path}.{field}", probe[field], NOT_NEGATIVE)
    if not readiness and probe.get("successThreshold", 1) != 1:
        yield invalid_value(f"{path}.successThreshold", probe["successThreshold"], "must be 1")


def pod_update(old: Obj, new: Obj) -> Iterator[FieldError]:
    """Of a Pod's spec only images, the deadline and more tolerations may change."""
    before, after = old["spec"], new["spec"]
    if len(before["containers"]) != len(after.get("containers") or []):
        yield field_forbidden("spec.containers", "pod updates may not add or remove containers")
        return
    munged = copy(after)
    for field in ("containers", "initContainers"):
        for mine, theirs in zip(munged.get(field) or [], before.get(field) or [], strict=False):
            mine["image"] = theirs.get("image")
    for field in ("activeDeadlineSeconds", "tolerations"):
        munged.pop(field, None)
        if before.get(field) is not None:
            munged[field] = before[field]
    kept = before.get("tolerations") or []
    if [toleration for toleration in kept if toleration not in (after.get("tolerations") or kept)]:
        yield field_forbidden(
            "spec.tolerations",
            "existing toleration can not be modified except its tolerationSeconds",
        )
    if gostruct.pod_spec(munged) != gostruct.pod_spec(before):
        yield field_forbidden("spec", MUTABLE + gostruct.difference(before, munged))


def ephemeral_update(old: Obj, new: Obj) -> Iterator[FieldError]:
    """Ephemeral containers are added; none may be changed or taken away."""
    path, spec = "spec.ephemeralContainers", new["spec"]
    given = spec["ephemeralContainers"]
    for kept in old["spec"].get("ephemeralContainers") or []:
        found = next((other for other in given if other.get("name") == kept["name"]), None)
        if found is None:
            yield field_forbidden(
                path, f'existing ephemeral containers "{kept["name"]}" may not be removed\n'
            )
        elif found != kept:
            yield field_forbidden(
                path, f'existing ephemeral containers "{kept["name"]}" may not be changed\n'
            )
    names = {c["name"] for field in ("containers", "initContainers") for c in spec.get(field) or []}
    volumes = {volume["name"] for volume in spec.get("volumes") or []}
    for index, container in enumerate(given):
        yield from _container(container, f"{path}[{index}]", names, volumes)
        names.add(container.get("name", ""))
        target = container.get("targetContainerName")
        if target and target not in {c["name"] for c in spec["containers"]}:
            yield field_not_found(f"{path}[{index}].targetContainerName", target)


def warnings(spec: Obj, path: str) -> Iterator[str]:
    """What is allowed but probably meant otherwise."""
    for index, container in enumerate(spec.get("containers") or []):
        seen: dict[tuple[Any, ...], int] = {}
        for number, port in enumerate(container.get("ports") or []):
            key = (
                port.get("containerPort"),
                port.get("protocol"),
                port.get("hostPort"),
                port.get("hostIP"),
            )
            here = f"{path}.containers[{index}].ports"
            if key in seen:
                yield f"{here}[{number}]: duplicate port definition with {here}[{seen[key]}]"
            seen.setdefault(key, number)
        names: dict[str, int] = {}
        for number, variable in enumerate(container.get("env") or []):
            here = f"{path}.containers[{index}].env"
            name = variable.get("name", "")  # the template of a StatefulSet is not validated
            if name in names:
                yield (
                    f'{here}[{number}]: hides previous definition of "{name}", which may be dropped'
                    " when using apply"
                )
            names[name] = number


def image_name_error(image: str) -> bool:
    """Whether no registry could hold an image of that name."""
    name = image.partition("@")[0]
    repository, _, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "")
    parts = repository.split("/")
    path = (
        parts[1:]
        if len(parts) > 1 and ("." in parts[0] or ":" in parts[0] or parts[0] == "localhost")
        else parts
    )
    component = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
    return not all(component.fullmatch(part) for part in path) or (
        bool(tag) and not re.fullmatch(r"[\w][\w.-]{0,127}", tag)
    )
