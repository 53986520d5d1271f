"""A Pod's status, from what its containers are doing."""

from typing import Any

from lab.cluster.kubelet.container import RUNNING, TERMINATED, WAITING, Container
from lab.cluster.model.objects import Obj, at, containers_of, new_condition, now


def container_status(spec: Obj, container: Container) -> Obj:
    """The status of a regular container."""
    status = ephemeral_status(spec, container) | {
        "ready": container.ready and container.phase == RUNNING,
        "started": container.started and container.phase == RUNNING,
    }
    if container.id:
        status["resources"] = spec.get("resources") or {}
        requests = at(spec, "resources", "requests")
        if requests:
            status["allocatedResources"] = requests
    return status


def init_status(spec: Obj, container: Container) -> Obj:
    """That of an init container, ready once it has ended well; a sidecar is like a regular one."""
    status = container_status(spec, container)
    return status if is_sidecar(spec) else status | {"ready": container.succeeded}


def ephemeral_status(spec: Obj, container: Container) -> Obj:
    """That of an ephemeral container, which is never ready."""
    status: Obj = {
        "name": container.name,
        "state": container.state(),
        "lastState": {"terminated": container.last} if container.last else {},
        "ready": False,
        "restartCount": container.restarts,
        "image": container.image or spec.get("image", ""),
        "imageID": container.image_id,
    }
    if container.id:
        status["containerID"] = f"docker://{container.id}"
    mounts = [_mount(mount) for mount in spec.get("volumeMounts") or []]
    if mounts:
        status["volumeMounts"] = mounts
    return status


def _mount(mount: Obj) -> Obj:
    shown = {"name": mount["name"], "mountPath": mount["mountPath"]}
    return shown | (
        {"readOnly": True, "recursiveReadOnly": "Disabled"} if mount.get("readOnly") else {}
    )


def phase_of(pod: Obj, init: list[Container], regular: list[Container], *, ended: bool) -> str:
    """Pending, Running, Succeeded or Failed; ``ended``: nothing will be started any more."""
    policy = pod["spec"]["restartPolicy"]
    if any(c.failed for c in init) and (policy == "Never" or ended):
        return "Failed"
    if (ended or policy != "Always") and all(c.phase == TERMINATED for c in regular):
        if all(c.succeeded for c in regular):
            return "Succeeded"
        if policy == "Never" or ended:
            return "Failed"
    if any(c.phase != WAITING or c.restarts or c.last for c in regular):
        return "Running"
    return "Pending"


def pod_status(
    pod: Obj,
    init: list[Container],
    regular: list[Container],
    ephemeral: list[Container],
    *,
    sandbox_ready: bool,
    address: str,
    host: str,
    ended: bool,
) -> Obj:
    """The whole status. Conditions that do not change keep their time of transition."""
    old = pod.get("status") or {}
    specs = {c["name"]: c for c in containers_of(pod["spec"])}
    phase = phase_of(pod, init, regular, ended=ended)
    status: Obj = {key: old[key] for key in ("qosClass", "nominatedNodeName") if key in old}
    status |= {
        "phase": phase,
        "observedGeneration": pod["metadata"].get("generation", 1),
        "startTime": old.get("startTime") or now(),
    }
    status["conditions"] = _conditions(
        pod, phase, init, regular, specs, sandbox_ready=sandbox_ready
    )
    status |= {"hostIP": host, "hostIPs": [{"ip": host}]}
    if address:
        status |= {"podIP": address, "podIPs": [{"ip": address}]}
    if phase == "Running" or regular_started(regular):
        status["resources"] = {}
    if init:
        status["initContainerStatuses"] = [init_status(specs[c.name], c) for c in init]
    status["containerStatuses"] = [container_status(specs[c.name], c) for c in regular]
    if ephemeral:
        status["ephemeralContainerStatuses"] = [
            ephemeral_status(specs[c.name], c) for c in ephemeral
        ]
    return status


def regular_started(regular: list[Container]) -> bool:
    return any(c.phase != WAITING for c in regular)


def _conditions(
    pod: Obj,
    phase: str,
    init: list[Container],
    regular: list[Container],
    specs: dict[str, Obj],
    *,
    sandbox_ready: bool,
) -> list[Obj]:
    before = {c["type"]: c for c in at(pod, "status", "conditions", default=[])}
    waiting = [
        c.name for c in init if not (c.succeeded or (is_sidecar(specs[c.name]) and c.started))
    ]
    wanted = [
        ("PodReadyToStartContainers", sandbox_ready, "", ""),
        _initialized(phase, waiting),
        *_readiness(pod, phase, regular, before),
    ]
    conditions = [
        _condition(pod, before.get(kind), kind, ok, why, text) for kind, ok, why, text in wanted
    ]
    own = {condition["type"] for condition in conditions}
    for kind, condition in before.items():
        if kind == "PodScheduled":
            generation = pod["metadata"].get("generation", 1)
            conditions.append(condition | {"observedGeneration": generation})
        elif kind not in own:
            conditions.append(condition)
    return conditions


def _initialized(phase: str, waiting: list[str]) -> tuple[str, bool, str, str]:
    """Whether all init containers are done; ``waiting`` names those that are not."""
    if phase == "Succeeded" or not waiting:
        return "Initialized", True, "PodCompleted" if phase == "Succeeded" else "", ""
    incomplete = f"containers with incomplete status: [{' '.join(waiting)}]"
    return "Initialized", False, "ContainersNotInitialized", incomplete


def _readiness(
    pod: Obj, phase: str, regular: list[Container], before: dict[str, Obj]
) -> list[tuple[str, bool, str, str]]:
    """Whether the containers are ready, and the Pod, which may have readiness gates besides."""
    completed = phase in ("Succeeded", "Failed")
    unready = [c.name for c in regular if not (c.ready and c.phase == RUNNING)]
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or []]
    unmet = [gate for gate in gates if before.get(gate, {}).get("status") != "True"]
    reason = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase, "ContainersNotReady")
    ready = not unready and not completed
    detail = "" if completed else f"containers with unready status: [{' '.join(unready)}]"
    not_ready = "ReadinessGatesNotReady" if ready else reason
    return [
        ("Ready", ready and not unmet, not_ready, detail if unready else ""),
        ("ContainersReady", ready, reason, detail),
    ]


def is_sidecar(spec: Obj) -> bool:
    """Whether an init container stays, next to the regular ones."""
    return spec.get("restartPolicy") == "Always"


def _condition(pod: Obj, before: Obj | None, kind: str, ok: bool, reason: str, message: str) -> Obj:
    explained = bool(reason) and (not ok or reason == "PodCompleted")
    if not explained:
        reason, message = "", ""
    changed = new_condition(before, kind, "True" if ok else "False", reason, message)
    bare = {key: value for key, value in changed.items() if value}
    return bare | {
        "lastProbeTime": None,
        "observedGeneration": pod["metadata"].get("generation", 1),
    }


def terminated(state: Obj, identity: str, message: str) -> Obj:
    """The ``terminated`` state of a container, from the engine's account of it."""
    code = int(state.get("ExitCode") or 0)
    reason = "OOMKilled" if state.get("OOMKilled") else "Completed" if code == 0 else "Error"
    details: Obj = {
        "exitCode": code,
        "reason": reason,
        "startedAt": engine_time(state.get("StartedAt")),
        "finishedAt": engine_time(state.get("FinishedAt")),
        "containerID": f"docker://{identity}",
    }
    if state.get("Error"):
        details["reason"], message = "StartError", start_error(str(state["Error"]))
        details["exitCode"] = 128
    return details | ({"message": message} if message else {})


def start_error(text: str) -> str:
    """The engine's account of a container that could not be started, as the kubelet tells it."""
    _, found, rest = text.partition("OCI runtime")
    return (
        "failed to create containerd task: failed to create shim task:"
        f" {found + rest if found else text}"
    )


def engine_time(text: Any) -> str:
    """The engine's timestamps have nanoseconds; the API's have seconds."""
    return str(text)[:19] + "Z" if text and not str(text).startswith("0001") else now()
