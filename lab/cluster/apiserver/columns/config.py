"""The columns of nodes, events, configuration, storage and access."""

from typing import Any

from lab.cluster.apiserver.columns.base import MODES, NONE, UNSET, age, images, since
from lab.cluster.model import quantity
from lab.cluster.model.objects import (
    Obj,
    annotations_of,
    at,
    condition,
    is_deleting,
    labels_of,
    name_of,
)
from lab.cluster.model.selectors import from_map, text_of
from lab.cluster.registry.conversion import EVENT_FIELDS


def node(obj: Obj) -> list[Any]:
    ready = condition(obj, "Ready")
    shown = "Unknown" if ready is None else "Ready" if ready["status"] == "True" else "NotReady"
    if at(obj, "spec", "unschedulable"):
        shown += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    roles = ",".join(
        sorted(key.removeprefix(prefix) for key in labels_of(obj) if key.startswith(prefix))
    )
    info = at(obj, "status", "nodeInfo", default={})
    addresses = {a["type"]: a["address"] for a in at(obj, "status", "addresses", default=[])}
    kernel = f"{info.get('kernelVersion')} ({info.get('architecture')})"
    return [
        name_of(obj),
        shown,
        roles or NONE,
        age(obj),
        info.get("kubeletVersion"),
        addresses.get("InternalIP", NONE),
        addresses.get("ExternalIP", NONE),
        info.get("osImage"),
        kernel,
        info.get("containerRuntimeVersion"),
    ]


def event(obj: Obj) -> list[Any]:
    first = obj.get("firstTimestamp") or obj.get("eventTime")
    series = obj.get("series") or {}
    last = series.get("lastObservedTime") or obj.get("lastTimestamp") or first
    involved = obj.get("involvedObject") or {}
    source = obj.get("source") or {}
    component = source.get("component") or obj.get("reportingComponent") or ""
    host = source.get("host") or obj.get("reportingInstance") or ""
    return [
        since(last),
        obj.get("type"),
        obj.get("reason"),
        f"{involved.get('kind', '').lower()}/{involved.get('name')}",
        involved.get("fieldPath") or "",
        f"{component}, {host}" if host else component,
        (obj.get("message") or "").strip(),
        since(first),
        series.get("count") or obj.get("count") or 1,
        name_of(obj),
    ]


def new_event(obj: Obj) -> list[Any]:
    """An event of events.k8s.io."""
    return event({EVENT_FIELDS.get(key, key): value for key, value in obj.items()})


def namespace(obj: Obj) -> list[Any]:
    return [name_of(obj), at(obj, "status", "phase"), age(obj)]


def secret(obj: Obj) -> list[Any]:
    return [name_of(obj), obj.get("type"), len(obj.get("data") or {}), age(obj)]


def config_map(obj: Obj) -> list[Any]:
    return [name_of(obj), len(obj.get("data") or {}) + len(obj.get("binaryData") or {}), age(obj)]


def access_modes(modes: list[str] | None) -> str:
    return ",".join(MODES.get(mode, mode) for mode in dict.fromkeys(modes or []))


def volume(obj: Obj) -> list[Any]:
    spec, claim = obj["spec"], at(obj, "spec", "claimRef", default={})
    phase = "Terminating" if is_deleting(obj) else at(obj, "status", "phase")
    return [
        name_of(obj),
        at(spec, "capacity", "storage", default=""),
        access_modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy"),
        phase,
        f"{claim['namespace']}/{claim['name']}" if claim else "",
        spec.get("storageClassName") or "",
        spec.get("volumeAttributesClassName") or UNSET,
        at(obj, "status", "reason", default=""),
        age(obj),
        spec.get("volumeMode") or UNSET,
    ]


def claim(obj: Obj) -> list[Any]:
    spec, status = obj["spec"], obj.get("status") or {}
    bound = bool(spec.get("volumeName"))
    phase = "Terminating" if is_deleting(obj) else status.get("phase")
    return [
        name_of(obj),
        phase,
        spec.get("volumeName") or "",
        at(status, "capacity", "storage", default="") if bound else "",
        access_modes(status.get("accessModes")) if bound else "",
        spec.get("storageClassName") or "",
        spec.get("volumeAttributesClassName") or UNSET,
        age(obj),
        spec.get("volumeMode") or UNSET,
    ]


def storage_class(obj: Obj) -> list[Any]:
    default = annotations_of(obj).get("storageclass.kubernetes.io/is-default-class") == "true"
    return [
        name_of(obj) + (" (default)" if default else ""),
        obj.get("provisioner"),
        obj.get("reclaimPolicy"),
        obj.get("volumeBindingMode"),
        "true" if obj.get("allowVolumeExpansion") else "false",
        age(obj),
    ]


def quota(obj: Obj) -> list[Any]:
    hard, used = at(obj, "status", "hard", default={}), at(obj, "status", "used", default={})
    pairs = {
        name: f"{name}: {quantity.canonical(used.get(name, 0))}/{hard[name]}"
        for name in sorted(hard)
    }
    limits = [text for name, text in pairs.items() if name.startswith("limits")]
    requests = [text for name, text in pairs.items() if not name.startswith("limits")]
    return [name_of(obj), ", ".join(requests), ", ".join(limits), age(obj)]


def binding(obj: Obj) -> list[Any]:
    reference, subjects = obj.get("roleRef") or {}, obj.get("subjects") or []

    def names(kind: str) -> str:
        return ", ".join(
            f"{s['namespace']}/{s['name']}" if kind == "ServiceAccount" else s["name"]
            for s in subjects
            if s.get("kind") == kind
        )

    return [
        name_of(obj),
        f"{reference.get('kind')}/{reference.get('name')}",
        age(obj),
        names("User"),
        names("Group"),
        names("ServiceAccount"),
    ]


def disruption_budget(obj: Obj) -> list[Any]:
    spec = obj.get("spec") or {}
    least, most = spec.get("minAvailable", "N/A"), spec.get("maxUnavailable", "N/A")
    return [
        name_of(obj),
        str(least),
        str(most),
        at(obj, "status", "disruptionsAllowed", default=0),
        age(obj),
    ]


def priority_class(obj: Obj) -> list[Any]:
    value, default = obj.get("value", 0), bool(obj.get("globalDefault"))
    return [
        name_of(obj),
        value,
        "true" if default else "false",
        age(obj),
        obj.get("preemptionPolicy"),
    ]


def lease(obj: Obj) -> list[Any]:
    return [name_of(obj), at(obj, "spec", "holderIdentity", default=""), age(obj)]


def controller_revision(obj: Obj) -> list[Any]:
    owners = at(obj, "metadata", "ownerReferences", default=[])
    owner = owners[0] if owners else None
    group = owner["apiVersion"].rpartition("/")[0] if owner else ""
    shown = f"{owner['kind'].lower()}.{group}/{owner['name']}" if owner else NONE
    return [name_of(obj), shown, obj.get("revision"), age(obj)]


def ingress_class(obj: Obj) -> list[Any]:
    spec = obj.get("spec") or {}
    parameters = spec.get("parameters")
    return [
        name_of(obj),
        spec.get("controller"),
        f"{parameters['kind']}/{parameters['name']}" if parameters else NONE,
        age(obj),
    ]


def component(obj: Obj) -> list[Any]:
    found = (obj.get("conditions") or [{}])[0]
    healthy = {"True": "Healthy", "False": "Unhealthy"}.get(found.get("status", ""), "Unknown")
    return [name_of(obj), healthy, found.get("message", ""), found.get("error", "")]


def runtime_class(obj: Obj) -> list[Any]:
    return [name_of(obj), obj.get("handler"), age(obj)]


def attributes_class(obj: Obj) -> list[Any]:
    return [name_of(obj), obj.get("driverName"), age(obj)]


def webhooks(obj: Obj) -> list[Any]:
    return [name_of(obj), len(obj.get("webhooks") or []), age(obj)]


def admission_policy(obj: Obj) -> list[Any]:
    kind = at(obj, "spec", "paramKind", default={})
    shown = f"{kind['apiVersion']}/{kind['kind']}" if kind else UNSET
    return [name_of(obj), len(at(obj, "spec", "validations", default=[])), shown, age(obj)]


def admission_binding(obj: Obj) -> list[Any]:
    spec = obj.get("spec") or {}
    reference = spec.get("paramRef") or {}
    named = "/".join(filter(None, (reference.get("namespace"), reference.get("name"))))
    return [name_of(obj), spec.get("policyName"), named or UNSET, age(obj)]


def pod_template(obj: Obj) -> list[Any]:
    template = obj.get("template") or {}
    return [
        name_of(obj),
        *images(template.get("spec") or {}),
        text_of(from_map(labels_of(template))) or NONE,
    ]


def storage_node(obj: Obj) -> list[Any]:
    return [name_of(obj), len(at(obj, "spec", "drivers", default=[])), age(obj)]


def address_range(obj: Obj) -> list[Any]:
    return [name_of(obj), ",".join(at(obj, "spec", "cidrs", default=[])), age(obj)]
