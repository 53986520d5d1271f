"""Selectors of labels and fields; those of labels are parsed in ``labelparser``."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.cluster.model.errors import bad_request
from lab.cluster.model.objects import Obj, at
from lab.cluster.model.resources import Resource

FIELD = re.compile(r"^(?P<key>[^=!]+)(?P<op>==|=|!=)(?P<value>.*)$")


@dataclass(frozen=True)
class Requirement:
    """One condition on a label; ``operator`` as in matchExpressions, plus Gt and Lt."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value is not None and value in self.values
            case "NotIn":
                return value is None or value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case "Gt" | "Lt":
                return bool(self.values) and _compares(value, self.operator, self.values[0])
        return False


def _compares(value: str | None, operator: str, limit: str) -> bool:
    try:
        number, bound = int(value or ""), int(limit)
    except ValueError:
        return False
    return number > bound if operator == "Gt" else number < bound


def matches(requirements: Sequence[Requirement], labels: Mapping[str, str]) -> bool:
    return all(requirement.matches(labels) for requirement in requirements)


def from_object(selector: Obj | None) -> list[Requirement] | None:
    """A LabelSelector of an object; None, which selects nothing, without one."""
    if selector is None:
        return None
    requirements = [
        Requirement(key, "In", (value,))
        for key, value in (selector.get("matchLabels") or {}).items()
    ]
    expressions = selector.get("matchExpressions") or []
    requirements += [
        Requirement(e.get("key", ""), e.get("operator", ""), tuple(e.get("values") or ()))
        for e in expressions
    ]
    return requirements


def selects(selector: Obj | None, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector of an object selects these labels."""
    requirements = from_object(selector)
    return requirements is not None and matches(requirements, labels)


def from_map(labels: Mapping[str, str] | None) -> list[Requirement]:
    return [Requirement(key, "In", (value,)) for key, value in (labels or {}).items()]


def text_of(requirements: Sequence[Requirement]) -> str:
    """As printer columns show a selector."""
    shown = []
    for requirement in sorted(requirements, key=lambda r: r.key):
        values = ",".join(sorted(requirement.values))
        match requirement.operator:
            case "In" if len(requirement.values) == 1:
                shown.append(f"{requirement.key}={values}")
            case "In":
                shown.append(f"{requirement.key} in ({values})")
            case "NotIn":
                shown.append(f"{requirement.key} notin ({values})")
            case "Exists":
                shown.append(requirement.key)
            case _:
                shown.append(f"!{requirement.key}")
    return ",".join(shown)


METADATA_FIELDS = ("metadata.name", "metadata.namespace")
FIELDS: dict[str, tuple[str, ...]] = {
    "pods": tuple(
        (
            "spec.nodeName spec.restartPolicy spec.schedulerName spec.serviceAccountName "
            "spec.hostNetwork status.phase status.podIP status.podIPs status.nominatedNodeName"
        ).split()
    ),
    "nodes": ("spec.unschedulable",),
    "events": tuple(
        (
            "involvedObject.kind involvedObject.namespace involvedObject.name involvedObject.uid "
            "involvedObject.apiVersion involvedObject.resourceVersion involvedObject.fieldPath "
            "reason reportingComponent source type"
        ).split()
    ),
    "secrets": ("type",),
    "namespaces": ("status.phase",),
    "replicasets.apps": ("status.replicas",),
    "replicationcontrollers": ("status.replicas",),
    "jobs.batch": ("status.successful",),
    "services": ("spec.clusterIP", "spec.type"),
    "certificatesigningrequests.certificates.k8s.io": ("spec.signerName",),
}


@dataclass(frozen=True)
class FieldRequirement:
    """One condition on a field of an object."""

    field: str
    equal: bool
    value: str

    def matches(self, obj: Obj) -> bool:
        return (field_value(obj, self.field) == self.value) == self.equal


def field_value(obj: Obj, field: str) -> str:
    """A field as field selectors compare it: text, empty where there is none."""
    value: Any = at(obj, *field.split("."))
    if field == "source":
        value = at(obj, "source", "component") or obj.get("reportingComponent")
    if field == "reportingComponent":
        value = obj.get("reportingComponent") or at(obj, "source", "component")
    if field == "status.successful":
        value = at(obj, "status", "succeeded", default=0)
    if isinstance(value, bool) or (
        value is None and field in ("spec.unschedulable", "spec.hostNetwork")
    ):
        return "true" if value else "false"
    return "" if value is None else str(value)


def parse_fields(text: str, resource: Resource) -> list[FieldRequirement]:
    """A selector as after ``--field-selector``. APIError for a field that does not select."""
    requirements = []
    for part in text.split(",") if text else []:
        match = FIELD.match(part)
        if not match:
            raise bad_request(f'invalid selector: "{text}"; can\'t understand "{part}"')
        if match["key"] not in METADATA_FIELDS + FIELDS.get(resource.stored_as, ()):
            raise bad_request(_unknown(match["key"], resource))
        requirements.append(FieldRequirement(match["key"], match["op"] != "!=", match["value"]))
    return requirements


def _unknown(field: str, resource: Resource) -> str:
    if resource.kind == "Job":
        return f'field label "{field}" not supported for Job'
    if resource.stored_as in FIELDS or resource.crd is not None:
        return f"field label not supported: {field}"
    known = ", ".join(f'"{name}"' for name in METADATA_FIELDS)
    return f'"{field}" is not a known field selector: only {known}'
