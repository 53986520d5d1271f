"""The columns of Pods."""

from typing import Any

from lab.cluster.apiserver.columns.base import NONE, age, since
from lab.cluster.model.objects import Obj, at, condition, is_deleting, is_true, name_of


def pod(obj: Obj) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    restarts, ready, restarted = _pod_counts(spec, status)
    shown = f"{restarts}" + (f" ({since(restarted)} ago)" if restarts and restarted else "")
    addresses = status.get("podIPs") or []
    return [
        name_of(obj),
        f"{ready}/{_wanted(spec)}",
        pod_status(obj),
        shown,
        age(obj),
        addresses[0]["ip"] if addresses else NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _gates(spec, obj),
    ]


def _restartable(container: Obj) -> bool:
    return container.get("restartPolicy") == "Always"


def _wanted(spec: Obj) -> int:
    return len(spec.get("containers") or []) + sum(
        map(_restartable, spec.get("initContainers") or [])
    )


def _pod_counts(spec: Obj, status: Obj) -> tuple[int, int, str | None]:
    """Restarts, ready containers, and when the last restart was."""
    sidecars = {c["name"] for c in spec.get("initContainers") or [] if _restartable(c)}
    initial, regular = (
        status.get("initContainerStatuses") or [],
        status.get("containerStatuses") or [],
    )
    counted = [*(s for s in initial if s["name"] in sidecars), *regular]
    if not _initialized(spec, status):
        counted = initial
    restarts = sum(s.get("restartCount", 0) for s in counted)
    times = [t for s in counted if (t := at(s, "lastState", "terminated", "finishedAt"))]
    ready = sum(
        bool(s.get("ready")) and "running" in (s.get("state") or {})
        for s in [*regular, *initial]
        if s in counted
    )
    return restarts, ready, max(times, default=None)


def _initialized(spec: Obj, status: Obj) -> bool:
    return _init_reason(spec, status) is None


def _exit(ended: Obj) -> str:
    signal = ended.get("signal")
    return f"Signal:{signal}" if signal else f"ExitCode:{ended.get('exitCode')}"


def _init_reason(spec: Obj, status: Obj) -> str | None:
    """``Init:…`` while init containers run, else None."""
    listed = spec.get("initContainers") or []
    sidecars = {c["name"] for c in listed if _restartable(c)}
    for index, container in enumerate(status.get("initContainerStatuses") or []):
        state = container.get("state") or {}
        ended = state.get("terminated")
        if ended and ended.get("exitCode") == 0:
            continue
        if container["name"] in sidecars and container.get("started"):
            continue
        if ended:
            return f"Init:{ended.get('reason') or _exit(ended)}"
        waiting = (state.get("waiting") or {}).get("reason")
        if waiting and waiting != "PodInitializing":
            return f"Init:{waiting}"
        return f"Init:{index}/{len(listed)}"
    return None


def pod_status(obj: Obj) -> str:
    """The STATUS column: phase, or why it is not simply that."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    reason = status.get("reason") or status.get("phase") or ""
    scheduled = condition(obj, "PodScheduled")
    if scheduled and scheduled.get("reason") == "SchedulingGated":
        reason = "SchedulingGated"
    initial = _init_reason(spec, status)
    reason = initial or _container_reason(status, reason)
    if is_deleting(obj) and status.get("reason") == "NodeLost":
        return "Unknown"
    if is_deleting(obj) and status.get("phase") not in ("Succeeded", "Failed"):
        return "Terminating"
    return reason


def _container_reason(status: Obj, reason: str) -> str:
    running = False
    for container in reversed(status.get("containerStatuses") or []):
        state = container.get("state") or {}
        waiting, ended = state.get("waiting"), state.get("terminated")
        if waiting and waiting.get("reason"):
            reason = waiting["reason"]
        elif ended:
            why = (
                f"Signal:{ended['signal']}"
                if ended.get("signal")
                else f"ExitCode:{ended.get('exitCode')}"
            )
            reason = ended.get("reason") or why
        elif container.get("ready") and "running" in state:
            running = True
    if reason == "Completed" and running:
        return (
            "Running"
            if any(
                c.get("type") == "Ready" and c.get("status") == "True"
                for c in status.get("conditions") or []
            )
            else "NotReady"
        )
    return reason


def _gates(spec: Obj, obj: Obj) -> str:
    gates = spec.get("readinessGates") or []
    if not gates:
        return NONE
    met = sum(is_true(obj, gate["conditionType"]) for gate in gates)
    return f"{met}/{len(gates)}"
