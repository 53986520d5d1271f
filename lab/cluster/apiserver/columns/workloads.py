"""The columns of what makes Pods."""

from datetime import UTC, datetime
from typing import Any

from lab.cluster.apiserver.columns.base import (
    NONE,
    UNKNOWN,
    UNSET,
    age,
    human_duration,
    images,
    object_selector,
    since,
    template_images,
)
from lab.cluster.model.objects import Obj, at, condition, is_deleting, name_of, parse_time
from lab.cluster.model.selectors import from_map, text_of


def deployment(obj: Obj) -> list[Any]:
    status = obj.get("status") or {}
    return [
        name_of(obj),
        f"{status.get('readyReplicas', 0)}/{at(obj, 'spec', 'replicas', default=0)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        age(obj),
        *template_images(obj),
        object_selector(obj),
    ]


def replica_set(obj: Obj) -> list[Any]:
    status = obj.get("status") or {}
    return [
        name_of(obj),
        at(obj, "spec", "replicas", default=0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        age(obj),
        *template_images(obj),
        object_selector(obj),
    ]


def replication_controller(obj: Obj) -> list[Any]:
    return [*replica_set(obj)[:-1], text_of(from_map(at(obj, "spec", "selector"))) or NONE]


def stateful_set(obj: Obj) -> list[Any]:
    ready = at(obj, "status", "readyReplicas", default=0)
    return [
        name_of(obj),
        f"{ready}/{at(obj, 'spec', 'replicas', default=0)}",
        age(obj),
        *template_images(obj),
    ]


def daemon_set(obj: Obj) -> list[Any]:
    status = obj.get("status") or {}
    names = (
        "desiredNumberScheduled currentNumberScheduled numberReady updatedNumberScheduled "
        "numberAvailable"
    ).split()
    nodes = text_of(from_map(at(obj, "spec", "template", "spec", "nodeSelector"))) or NONE
    return [
        name_of(obj),
        *(status.get(n, 0) for n in names),
        nodes,
        age(obj),
        *template_images(obj),
        object_selector(obj),
    ]


def job(obj: Obj) -> list[Any]:
    status, spec = obj.get("status") or {}, obj.get("spec") or {}
    succeeded, wanted = status.get("succeeded", 0), spec.get("completions")
    if wanted is not None:
        completions = f"{succeeded}/{wanted}"
    else:
        parallelism = spec.get("parallelism") or 0
        completions = f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"
    started, ended = status.get("startTime"), status.get("completionTime")
    duration = ""
    if started:
        end = parse_time(ended) if ended else datetime.now(UTC)
        duration = human_duration((end - parse_time(started)).total_seconds())
    return [
        name_of(obj),
        job_status(obj),
        completions,
        duration,
        age(obj),
        *template_images(obj),
        object_selector(obj),
    ]


def job_status(obj: Obj) -> str:
    for kind, shown in (("Complete", "Complete"), ("Failed", "Failed")):
        if (condition(obj, kind) or {}).get("status") == "True":
            return shown
    if is_deleting(obj):
        return "Terminating"
    for kind, shown in (
        ("Suspended", "Suspended"),
        ("FailureTarget", "FailureTarget"),
        ("SuccessCriteriaMet", "SuccessCriteriaMet"),
    ):
        if (condition(obj, kind) or {}).get("status") == "True":
            return shown
    return "Running"


def cron_job(obj: Obj) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    last = status.get("lastScheduleTime")
    template = at(spec, "jobTemplate", "spec", "template", "spec", default={})
    return [
        name_of(obj),
        spec.get("schedule"),
        spec.get("timeZone") or NONE,
        "True" if spec.get("suspend") else "False",
        len(status.get("active") or []),
        since(last) if last else NONE,
        age(obj),
        *images(template),
        object_selector({"spec": at(spec, "jobTemplate", "spec", default={})}),
    ]


def autoscaler(obj: Obj) -> list[Any]:
    spec, status = obj["spec"], obj.get("status") or {}
    target = spec["scaleTargetRef"]
    minimum = spec.get("minReplicas")
    return [
        name_of(obj),
        f"{target['kind']}/{target['name']}",
        _metrics(spec, status),
        str(minimum) if minimum is not None else UNSET,
        spec["maxReplicas"],
        status.get("currentReplicas", 0),
        age(obj),
    ]


def _metrics(spec: Obj, status: Obj) -> str:
    shown = []
    current = {at(m, "resource", "name"): m for m in status.get("currentMetrics") or []}
    for metric in spec.get("metrics") or []:
        name, target = at(metric, "resource", "name"), at(metric, "resource", "target", default={})
        percent = target.get("averageUtilization")
        now = at(current.get(name), "resource", "current", "averageUtilization")
        wanted = (
            f"{percent}%"
            if percent is not None
            else target.get("averageValue") or target.get("value") or UNSET
        )
        shown.append(f"{name}: {UNKNOWN if now is None else f'{now}%'}/{wanted}")
    return ", ".join(shown) or NONE


def scale(obj: Obj) -> list[Any]:
    return [
        name_of(obj),
        at(obj, "spec", "replicas", default=0),
        at(obj, "status", "replicas", default=0),
        age(obj),
    ]
