"""Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs, CronJobs, autoscalers."""

import re
from collections.abc import Iterator
from typing import Any

from lab.cluster.model.errors import (
    FieldError,
    field_forbidden,
    invalid_value,
    required,
    unsupported,
)
from lab.cluster.model.objects import Obj, at
from lab.cluster.model.selectors import selects
from lab.cluster.registry.validation import pods
from lab.cluster.registry.validation.metadata import labels
from lab.cluster.registry.validation.pods import NOT_NEGATIVE
from lab.cluster.registry.validation.schedule import schedule_error, zone_error

IMMUTABLE = "field is immutable"
STATEFUL_MUTABLE = (
    "replicas ordinals template updateStrategy revisionHistoryLimit "
    "persistentVolumeClaimRetentionPolicy minReadySeconds"
).split()


def _not_negative(spec: Obj, *fields: str, path: str = "spec") -> Iterator[FieldError]:
    for field in fields:
        value = spec.get(field)
        if isinstance(value, int) and value < 0:
            yield invalid_value(f"{path}.{field}", value, NOT_NEGATIVE)


def _selector(spec: Obj, kind: str) -> Iterator[FieldError]:
    selector = spec.get("selector")
    if selector is None:
        yield required("spec.selector")
    else:
        yield from labels(selector.get("matchLabels"), "spec.selector.matchLabels")
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            yield invalid_value("spec.selector", {}, f"empty selector is invalid for {kind}")


def _template(spec: Obj, *, complete: bool = True) -> Iterator[FieldError]:
    """``complete``: the template has all that its Pods will have.

    That of a StatefulSet lacks the volumes of its claims, so nobody looks into it.
    """
    template = spec.get("template")
    if template is None:
        yield required("spec.template")
        return
    given = (template.get("metadata") or {}).get("labels") or {}
    selector = spec.get("selector")
    if not selects(selector, given):
        yield invalid_value(
            "spec.template.metadata.labels", given, "`selector` does not match template `labels`"
        )
    if complete:
        yield from pods.template(template, "spec.template")
    else:
        yield from labels(given, "spec.template.metadata.labels")
    policy = at(template, "spec", "restartPolicy")
    if policy in pods.RESTART_POLICIES and policy != "Always":
        yield unsupported("spec.template.spec.restartPolicy", policy, ("Always",))


def deployment(obj: Obj) -> Iterator[FieldError]:
    spec = obj.get("spec") or {}
    yield from _not_negative(spec, "replicas")
    yield from _selector(spec, "deployment")
    yield from _template(spec)
    strategy = spec.get("strategy") or {}
    if strategy.get("type") not in ("Recreate", "RollingUpdate"):
        yield unsupported("spec.strategy.type", strategy.get("type"), ("Recreate", "RollingUpdate"))
    elif strategy["type"] == "Recreate" and strategy.get("rollingUpdate") is not None:
        yield field_forbidden(
            "spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'"
        )
    elif strategy["type"] == "RollingUpdate":
        yield from _rolling_update(strategy.get("rollingUpdate") or {})
    yield from _not_negative(
        spec, "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"
    )
    deadline, ready = spec.get("progressDeadlineSeconds"), spec.get("minReadySeconds", 0)
    if deadline is not None and deadline <= ready:
        yield invalid_value(
            "spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"
        )


def _rolling_update(rolling: Obj) -> Iterator[FieldError]:
    path = "spec.strategy.rollingUpdate"
    zero = []
    for field in ("maxUnavailable", "maxSurge"):
        value = rolling.get(field)
        yield from _number_or_percent(value, f"{path}.{field}")
        zero.append(value in (0, "0%"))
    if all(zero):
        yield invalid_value(
            f"{path}.maxUnavailable",
            rolling.get("maxUnavailable"),
            "may not be 0 when `maxSurge` is 0",
        )


def _number_or_percent(value: Any, path: str) -> Iterator[FieldError]:
    if isinstance(value, str) and not re.fullmatch(r"[0-9]+%", value):
        why = (
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%', "
            " or '93%', regex used for validation is '[0-9]+%')"
        )
        yield invalid_value(path, value, why)
    elif isinstance(value, int) and value < 0:
        yield invalid_value(path, value, NOT_NEGATIVE)


def disruption_budget(obj: Obj) -> Iterator[FieldError]:
    spec = obj.get("spec") or {}
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        yield invalid_value("spec", spec, "minAvailable and maxUnavailable cannot be both set")
    for field in ("minAvailable", "maxUnavailable"):
        yield from _number_or_percent(spec.get(field), f"spec.{field}")


def replica_set(obj: Obj) -> Iterator[FieldError]:
    spec = obj.get("spec") or {}
    yield from _not_negative(spec, "replicas", "minReadySeconds")
    yield from _selector(spec, "replica set")
    yield from _template(spec)


def stateful_set(obj: Obj) -> Iterator[FieldError]:
    spec = obj.get("spec") or {}
    if spec.get("podManagementPolicy") not in ("OrderedReady", "Parallel"):
        yield unsupported(
            "spec.podManagementPolicy",
            spec.get("podManagementPolicy"),
            ("OrderedReady", "Parallel"),
        )
    if at(spec, "updateStrategy", "type") not in ("OnDelete", "RollingUpdate"):
        yield unsupported(
            "spec.updateStrategy", at(spec, "updateStrategy", "type"), ("OnDelete", "RollingUpdate")
        )
    yield from _not_negative(spec, "replicas", "minReadySeconds", "revisionHistoryLimit")
    yield from _selector(spec, "statefulset")
    yield from _template(spec, complete=False)


def daemon_set(obj: Obj) -> Iterator[FieldError]:
    spec = obj.get("spec") or {}
    yield from _selector(spec, "daemonset")
    yield from _template(spec)
    yield from _not_negative(spec, "minReadySeconds", "revisionHistoryLimit")
    if at(spec, "updateStrategy", "type") not in ("OnDelete", "RollingUpdate"):
        yield unsupported(
            "spec.updateStrategy.type",
            at(spec, "updateStrategy", "type"),
            ("OnDelete", "RollingUpdate"),
        )


def selector_update(old: Obj, new: Obj) -> Iterator[FieldError]:
    if old["spec"].get("selector") != new["spec"].get("selector"):
        yield invalid_value("spec.selector", new["spec"].get("selector"), IMMUTABLE)


def stateful_set_update(old: Obj, new: Obj) -> Iterator[FieldError]:
    def fixed(obj: Obj) -> Obj:
        return {key: value for key, value in obj["spec"].items() if key not in STATEFUL_MUTABLE}

    if fixed(old) != fixed(new):
        listed = (
            "'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit',"
            " 'persistentVolumeClaimRetentionPolicy'"
        )
        why = (
            f"updates to statefulset spec for fields other than {listed} and 'minReadySeconds' are"
            " forbidden"
        )
        yield field_forbidden("spec", why)


def job_spec(spec: Obj, path: str) -> Iterator[FieldError]:
    fields = (
        "parallelism completions activeDeadlineSeconds backoffLimit ttlSecondsAfterFinished".split()
    )
    yield from _not_negative(spec, *fields, path=path)
    if spec.get("completionMode") not in (None, "NonIndexed", "Indexed"):
        yield unsupported(
            f"{path}.completionMode", spec["completionMode"], ("Indexed", "NonIndexed")
        )
    if spec.get("completionMode") == "Indexed" and spec.get("completions") is None:
        yield required(f"{path}.completions", "when completion mode is Indexed")
    template = spec.get("template")
    if template is None:
        yield required(f"{path}.template")
        return
    yield from pods.template(template, f"{path}.template")
    policy = at(template, "spec", "restartPolicy")
    if policy == "Always":
        yield unsupported(f"{path}.template.spec.restartPolicy", policy, ("OnFailure", "Never"))


def job(obj: Obj) -> Iterator[FieldError]:
    yield from job_spec(obj.get("spec") or {}, "spec")


def job_update(old: Obj, new: Obj) -> Iterator[FieldError]:
    for field in ("completions", "selector", "completionMode"):
        if old["spec"].get(field) != new["spec"].get(field):
            yield invalid_value(f"spec.{field}", new["spec"].get(field), IMMUTABLE)
    if old["spec"].get("template") != new["spec"].get("template"):
        yield invalid_value("spec.template", new["spec"].get("template"), IMMUTABLE)


def cron_job(obj: Obj) -> Iterator[FieldError]:
    spec = obj.get("spec") or {}
    yield from job_spec(at(spec, "jobTemplate", "spec", default={}), "spec.jobTemplate.spec")
    schedule = spec.get("schedule") or ""
    if not schedule:
        yield required("spec.schedule")
    elif why := schedule_error(schedule):
        yield invalid_value("spec.schedule", schedule, why)
    zone = spec.get("timeZone")
    if zone is not None and (why := zone_error(zone)):
        yield invalid_value("spec.timeZone", zone, why)
    if spec.get("concurrencyPolicy") not in ("Allow", "Forbid", "Replace"):
        yield unsupported(
            "spec.concurrencyPolicy", spec.get("concurrencyPolicy"), ("Allow", "Forbid", "Replace")
        )
    yield from _not_negative(
        spec, "startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"
    )


def autoscaler(obj: Obj) -> Iterator[FieldError]:
    spec = obj.get("spec") or {}
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if least is not None and least < 1:
        yield invalid_value("spec.minReplicas", least, "must be greater than or equal to 1")
    if most < 1:
        yield invalid_value("spec.maxReplicas", most, "must be greater than 0")
    if least is not None and most < least:
        yield invalid_value(
            "spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"
        )
    target: Any = spec.get("scaleTargetRef") or {}
    for field in ("kind", "name"):
        if not target.get(field):
            yield required(f"spec.scaleTargetRef.{field}")
