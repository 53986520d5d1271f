"""The same object in two API versions: Events, and autoscalers of autoscaling/v1."""

from lab.cluster.model.objects import Obj, at
from lab.cluster.model.resources import Resource

EVENT_FIELDS = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}


def to_storage(resource: Resource, obj: Obj) -> Obj:
    """From the form of the request to the form that is kept."""
    if resource.qualified == "events.events.k8s.io":
        kept = {EVENT_FIELDS.get(key, key): value for key, value in obj.items()} | {
            "apiVersion": "v1"
        }
        return {"source": {}, "firstTimestamp": None, "lastTimestamp": None} | kept
    if resource.api_version == "autoscaling/v1":
        return _autoscaler_to_v2(obj)
    return obj


def from_storage(resource: Resource, obj: Obj) -> Obj:
    """From the form that is kept to that of the request."""
    if resource.qualified == "events.events.k8s.io":
        names = {old: new for new, old in EVENT_FIELDS.items()}
        return {names.get(key, key): value for key, value in obj.items()} | {
            "apiVersion": "events.k8s.io/v1"
        }
    if resource.api_version == "autoscaling/v1":
        return _autoscaler_to_v1(obj)
    return obj


def _autoscaler_to_v2(obj: Obj) -> Obj:
    spec = dict(obj["spec"])
    target = spec.pop("targetCPUUtilizationPercentage", None)
    if target is not None:
        resource = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}}
        spec["metrics"] = [{"type": "Resource", "resource": resource}]
    return obj | {"apiVersion": "autoscaling/v2", "spec": spec}


def _autoscaler_to_v1(obj: Obj) -> Obj:
    spec = dict(obj["spec"])
    for metric in spec.pop("metrics", None) or []:
        percent = at(metric, "resource", "target", "averageUtilization")
        if at(metric, "resource", "name") == "cpu" and percent is not None:
            spec["targetCPUUtilizationPercentage"] = percent
    status = {
        key: value
        for key, value in (obj.get("status") or {}).items()
        if key not in ("conditions", "currentMetrics")
    }
    return obj | {"apiVersion": "autoscaling/v1", "spec": spec, "status": status}
