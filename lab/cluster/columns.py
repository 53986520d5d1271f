"""The columns of each resource, and the words in them."""

from datetime import UTC, datetime
from typing import Any

from lab.cluster import quantity
from lab.cluster.conversion import EVENT_FIELDS
from lab.cluster.objects import Obj, annotations_of, at, condition, is_deleting, labels_of, name_of, parse_time
from lab.cluster.selectors import from_map, from_object, text_of

NONE, UNSET, UNKNOWN = "<none>", "<unset>", "<unknown>"
MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def human_duration(seconds: float) -> str:
    """As Kubernetes prints ages: two units at most.

    >>> human_duration(61), human_duration(125), human_duration(3600 * 3 + 120)
    ('61s', '2m5s', '3h2m')
    """
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    if total < 0:
        return "0s"
    if total < 120:
        return f"{total}s"
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if minutes < 10:
        return f"{minutes}m{total % 60}s" if total % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if days < 730:
        return f"{days}d"
    years, rest = divmod(days, 365)
    return f"{years}y{rest}d" if years < 8 and rest else f"{years}y"


def since(timestamp: str | None) -> str:
    if not timestamp:
        return UNKNOWN
    return human_duration((datetime.now(UTC) - parse_time(timestamp)).total_seconds())


def age(obj: Obj) -> str:
    return since(at(obj, "metadata", "creationTimestamp"))


def created_at(obj: Obj) -> list[Any]:
    return [name_of(obj), at(obj, "metadata", "creationTimestamp")]


def name_age(obj: Obj) -> list[Any]:
    return [name_of(obj), age(obj)]


def images(spec: Obj) -> list[str]:
    found = spec.get("containers") or []
    return [",".join(c["name"] for c in found), ",".join(c.get("image", "") for c in found)]


def template_images(obj: Obj) -> list[str]:
    return images(at(obj, "spec", "template", "spec", default={}))


def object_selector(obj: Obj) -> str:
    requirements = from_object(at(obj, "spec", "selector"))
    return NONE if requirements is None else text_of(requirements) or NONE


# ---------------------------------------------------------------------- pods


def pod(obj: Obj) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    restarts, ready, restarted = _pod_counts(spec, status)
    shown = f"{restarts}" + (f" ({since(restarted)} ago)" if restarts and restarted else "")
    addresses = status.get("podIPs") or []
    return [
        name_of(obj), f"{ready}/{_wanted(spec)}", pod_status(obj), shown, age(obj),
        addresses[0]["ip"] if addresses else NONE, spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE, _gates(spec, obj),
    ]  # fmt: skip


def _restartable(container: Obj) -> bool:
    return container.get("restartPolicy") == "Always"


def _wanted(spec: Obj) -> int:
    return len(spec.get("containers") or []) + sum(map(_restartable, spec.get("initContainers") or []))


def _pod_counts(spec: Obj, status: Obj) -> tuple[int, int, str | None]:
    """Restarts, ready containers, and when the last restart was."""
    sidecars = {c["name"] for c in spec.get("initContainers") or [] if _restartable(c)}
    initial, regular = status.get("initContainerStatuses") or [], status.get("containerStatuses") or []
    counted = [*(s for s in initial if s["name"] in sidecars), *regular]
    if not _initialized(spec, status):
        counted = initial
    restarts = sum(s.get("restartCount", 0) for s in counted)
    times = [t for s in counted if (t := at(s, "lastState", "terminated", "finishedAt"))]
    ready = sum(bool(s.get("ready")) and "running" in (s.get("state") or {}) for s in [*regular, *initial] if s in counted)
    return restarts, ready, max(times, default=None)


def _initialized(spec: Obj, status: Obj) -> bool:
    return _init_reason(spec, status) is None


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
            return f"Init:{ended.get('reason') or ('Signal:' + str(ended['signal']) if ended.get('signal') else 'ExitCode:' + str(ended.get('exitCode')))}"
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
    if initial:
        reason = initial
    else:
        reason = _container_reason(status, reason)
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
            why = f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode')}"
            reason = ended.get("reason") or why
        elif container.get("ready") and "running" in state:
            running = True
    if reason == "Completed" and running:
        return "Running" if any(c.get("type") == "Ready" and c.get("status") == "True" for c in status.get("conditions") or []) else "NotReady"
    return reason


def _gates(spec: Obj, obj: Obj) -> str:
    gates = spec.get("readinessGates") or []
    if not gates:
        return NONE
    return f"{sum((condition(obj, g['conditionType']) or {}).get('status') == 'True' for g in gates)}/{len(gates)}"


# ----------------------------------------------------------------- workloads


def deployment(obj: Obj) -> list[Any]:
    status = obj.get("status") or {}
    return [
        name_of(obj), f"{status.get('readyReplicas', 0)}/{at(obj, 'spec', 'replicas', default=0)}", status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0), age(obj), *template_images(obj), object_selector(obj),
    ]  # fmt: skip


def replica_set(obj: Obj) -> list[Any]:
    status = obj.get("status") or {}
    return [
        name_of(obj), at(obj, "spec", "replicas", default=0), status.get("replicas", 0), status.get("readyReplicas", 0), age(obj),
        *template_images(obj), object_selector(obj),
    ]  # fmt: skip


def replication_controller(obj: Obj) -> list[Any]:
    return [*replica_set(obj)[:-1], text_of(from_map(at(obj, "spec", "selector"))) or NONE]


def stateful_set(obj: Obj) -> list[Any]:
    ready = at(obj, "status", "readyReplicas", default=0)
    return [name_of(obj), f"{ready}/{at(obj, 'spec', 'replicas', default=0)}", age(obj), *template_images(obj)]


def daemon_set(obj: Obj) -> list[Any]:
    status = obj.get("status") or {}
    names = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled", "numberAvailable")
    nodes = text_of(from_map(at(obj, "spec", "template", "spec", "nodeSelector"))) or NONE
    return [name_of(obj), *(status.get(n, 0) for n in names), nodes, age(obj), *template_images(obj), object_selector(obj)]


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
    return [name_of(obj), job_status(obj), completions, duration, age(obj), *template_images(obj), object_selector(obj)]


def job_status(obj: Obj) -> str:
    for kind, shown in (("Complete", "Complete"), ("Failed", "Failed")):
        if (condition(obj, kind) or {}).get("status") == "True":
            return shown
    if is_deleting(obj):
        return "Terminating"
    for kind, shown in (("Suspended", "Suspended"), ("FailureTarget", "FailureTarget"), ("SuccessCriteriaMet", "SuccessCriteriaMet")):
        if (condition(obj, kind) or {}).get("status") == "True":
            return shown
    return "Running"


def cron_job(obj: Obj) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    last = status.get("lastScheduleTime")
    template = at(spec, "jobTemplate", "spec", "template", "spec", default={})
    return [
        name_of(obj), spec.get("schedule"), spec.get("timeZone") or NONE, "True" if spec.get("suspend") else "False",
        len(status.get("active") or []), since(last) if last else NONE, age(obj), *images(template),
        object_selector({"spec": at(spec, "jobTemplate", "spec", default={})}),
    ]  # fmt: skip


def autoscaler(obj: Obj) -> list[Any]:
    spec, status = obj["spec"], obj.get("status") or {}
    target = spec["scaleTargetRef"]
    minimum = spec.get("minReplicas")
    return [
        name_of(obj), f"{target['kind']}/{target['name']}", _metrics(spec, status), str(minimum) if minimum is not None else UNSET,
        spec["maxReplicas"], status.get("currentReplicas", 0), age(obj),
    ]  # fmt: skip


def _metrics(spec: Obj, status: Obj) -> str:
    shown = []
    current = {at(m, "resource", "name"): m for m in status.get("currentMetrics") or []}
    for metric in spec.get("metrics") or []:
        name, target = at(metric, "resource", "name"), at(metric, "resource", "target", default={})
        percent = target.get("averageUtilization")
        now = at(current.get(name), "resource", "current", "averageUtilization")
        wanted = f"{percent}%" if percent is not None else target.get("averageValue") or target.get("value") or UNSET
        shown.append(f"{name}: {UNKNOWN if now is None else f'{now}%'}/{wanted}")
    return ", ".join(shown) or NONE


# ---------------------------------------------------------------- networking


def service(obj: Obj) -> list[Any]:
    spec = obj.get("spec") or {}
    kind = spec.get("type")
    external = ",".join(spec.get("externalIPs") or [])
    if kind == "LoadBalancer":
        given = [i.get("ip") or i.get("hostname") for i in at(obj, "status", "loadBalancer", "ingress", default=[])]
        external = ",".join(filter(None, [*given, external])) or "<pending>"
    elif kind == "ExternalName":
        external = spec.get("externalName") or ""
    ports = ",".join(
        f"{p['port']}{':' + str(p['nodePort']) if p.get('nodePort') else ''}/{p.get('protocol')}" for p in spec.get("ports") or []
    )
    selector = text_of(from_map(spec.get("selector"))) or NONE
    return [name_of(obj), kind, spec.get("clusterIP") or NONE, external or NONE, ports or NONE, age(obj), selector]


def endpoints(obj: Obj) -> list[Any]:
    shown = []
    subsets = obj.get("subsets")
    if not subsets:
        return [name_of(obj), NONE, age(obj)]
    for subset in subsets:
        for port in subset.get("ports") or []:
            shown += [f"{address['ip']}:{port['port']}" for address in subset.get("addresses") or []]
        if not subset.get("ports"):
            shown += [address["ip"] for address in subset.get("addresses") or []]
    more = f" + {len(shown) - 3} more..." if len(shown) > 3 else ""
    return [name_of(obj), ",".join(shown[:3]) + more, age(obj)]


def endpoint_slice(obj: Obj) -> list[Any]:
    ports = [str(p.get("port") if p.get("port") is not None else "*") for p in obj.get("ports") or []]
    addresses = [a for endpoint in obj.get("endpoints") or [] for a in endpoint.get("addresses") or []]
    return [name_of(obj), obj.get("addressType"), _few(ports), _few(addresses), age(obj)]


def _few(items: list[str]) -> str:
    if not items:
        return UNSET
    return ",".join(items[:3]) + (f" + {len(items) - 3} more..." if len(items) > 3 else "")


def ingress(obj: Obj) -> list[Any]:
    spec = obj.get("spec") or {}
    hosts = [rule["host"] for rule in spec.get("rules") or [] if rule.get("host")]
    shown = ",".join(hosts[:3]) + (f" + {len(hosts) - 3} more..." if len(hosts) > 3 else "")
    address = ",".join(i.get("ip") or i.get("hostname") for i in at(obj, "status", "loadBalancer", "ingress", default=[]))
    return [name_of(obj), spec.get("ingressClassName") or NONE, shown or "*", address, "80, 443" if spec.get("tls") else "80", age(obj)]


def network_policy(obj: Obj) -> list[Any]:
    return [name_of(obj), text_of(from_object(at(obj, "spec", "podSelector", default={})) or []) or NONE, age(obj)]


# ------------------------------------------------------------- cluster, config


def node(obj: Obj) -> list[Any]:
    ready = condition(obj, "Ready")
    shown = "Unknown" if ready is None else "Ready" if ready["status"] == "True" else "NotReady"
    if at(obj, "spec", "unschedulable"):
        shown += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    roles = ",".join(sorted(key.removeprefix(prefix) for key in labels_of(obj) if key.startswith(prefix)))
    info = at(obj, "status", "nodeInfo", default={})
    addresses = {a["type"]: a["address"] for a in at(obj, "status", "addresses", default=[])}
    kernel = f"{info.get('kernelVersion')} ({info.get('architecture')})"
    return [
        name_of(obj), shown, roles or NONE, age(obj), info.get("kubeletVersion"), addresses.get("InternalIP", NONE),
        addresses.get("ExternalIP", NONE), info.get("osImage"), kernel, info.get("containerRuntimeVersion"),
    ]  # fmt: skip


def event(obj: Obj) -> list[Any]:
    first = obj.get("firstTimestamp") or obj.get("eventTime")
    series = obj.get("series") or {}
    last = series.get("lastObservedTime") or obj.get("lastTimestamp") or first
    involved = obj.get("involvedObject") or {}
    source = obj.get("source") or {}
    component = source.get("component") or obj.get("reportingComponent") or ""
    host = source.get("host") or obj.get("reportingInstance") or ""
    return [
        since(last), obj.get("type"), obj.get("reason"), f"{involved.get('kind', '').lower()}/{involved.get('name')}",
        involved.get("fieldPath") or "", f"{component}, {host}" if host else component, (obj.get("message") or "").strip(),
        since(first), series.get("count") or obj.get("count") or 1, name_of(obj),
    ]  # fmt: skip


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
        name_of(obj), at(spec, "capacity", "storage", default=""), access_modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy"), phase, f"{claim['namespace']}/{claim['name']}" if claim else "",
        spec.get("storageClassName") or "", spec.get("volumeAttributesClassName") or UNSET, at(obj, "status", "reason", default=""),
        age(obj), spec.get("volumeMode") or UNSET,
    ]  # fmt: skip


def claim(obj: Obj) -> list[Any]:
    spec, status = obj["spec"], obj.get("status") or {}
    bound = bool(spec.get("volumeName"))
    phase = "Terminating" if is_deleting(obj) else status.get("phase")
    return [
        name_of(obj), phase, spec.get("volumeName") or "", at(status, "capacity", "storage", default="") if bound else "",
        access_modes(status.get("accessModes")) if bound else "", spec.get("storageClassName") or "",
        spec.get("volumeAttributesClassName") or UNSET, age(obj), spec.get("volumeMode") or UNSET,
    ]  # fmt: skip


def storage_class(obj: Obj) -> list[Any]:
    default = annotations_of(obj).get("storageclass.kubernetes.io/is-default-class") == "true"
    return [
        name_of(obj) + (" (default)" if default else ""), obj.get("provisioner"), obj.get("reclaimPolicy"), obj.get("volumeBindingMode"),
        "true" if obj.get("allowVolumeExpansion") else "false", age(obj),
    ]  # fmt: skip


def quota(obj: Obj) -> list[Any]:
    hard, used = at(obj, "status", "hard", default={}), at(obj, "status", "used", default={})
    pairs = {name: f"{name}: {quantity.canonical(used.get(name, 0))}/{hard[name]}" for name in sorted(hard)}
    limits = [text for name, text in pairs.items() if name.startswith("limits")]
    requests = [text for name, text in pairs.items() if not name.startswith("limits")]
    return [name_of(obj), ", ".join(requests), ", ".join(limits), age(obj)]


def binding(obj: Obj) -> list[Any]:
    reference, subjects = obj.get("roleRef") or {}, obj.get("subjects") or []

    def names(kind: str) -> str:
        return ", ".join(
            f"{s['namespace']}/{s['name']}" if kind == "ServiceAccount" else s["name"] for s in subjects if s.get("kind") == kind
        )

    return [name_of(obj), f"{reference.get('kind')}/{reference.get('name')}", age(obj), names("User"), names("Group"), names("ServiceAccount")]


def disruption_budget(obj: Obj) -> list[Any]:
    spec = obj["spec"]
    least, most = spec.get("minAvailable", "N/A"), spec.get("maxUnavailable", "N/A")
    return [name_of(obj), str(least), str(most), at(obj, "status", "disruptionsAllowed", default=0), age(obj)]


def priority_class(obj: Obj) -> list[Any]:
    value, default = obj.get("value", 0), bool(obj.get("globalDefault"))
    return [name_of(obj), value, "true" if default else "false", age(obj), obj.get("preemptionPolicy")]


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
    return [name_of(obj), spec.get("controller"), f"{parameters['kind']}/{parameters['name']}" if parameters else NONE, age(obj)]


def component(obj: Obj) -> list[Any]:
    found = (obj.get("conditions") or [{}])[0]
    healthy = {"True": "Healthy", "False": "Unhealthy"}.get(found.get("status", ""), "Unknown")
    return [name_of(obj), healthy, found.get("message", ""), found.get("error", "")]


WORKLOAD = "Containers* Images* Selector*"
PRINTERS = {
    "pods": ("Name Ready Status Restarts Age IP* Node* Nominated_Node* Readiness_Gates*", pod),
    "deployments.apps": (f"Name Ready Up-to-date Available Age {WORKLOAD}", deployment),
    "replicasets.apps": (f"Name Desired# Current# Ready# Age {WORKLOAD}", replica_set),
    "replicationcontrollers": (f"Name Desired# Current# Ready# Age {WORKLOAD}", replication_controller),
    "statefulsets.apps": ("Name Ready Age Containers* Images*", stateful_set),
    "daemonsets.apps": (f"Name Desired# Current# Ready# Up-to-date# Available# Node_Selector Age {WORKLOAD}", daemon_set),
    "jobs.batch": (f"Name Status Completions Duration Age {WORKLOAD}", job),
    "cronjobs.batch": (f"Name Schedule Timezone Suspend Active# Last_Schedule Age {WORKLOAD}", cron_job),
    "horizontalpodautoscalers.autoscaling": ("Name Reference Targets MinPods MaxPods# Replicas# Age", autoscaler),
    "services": ("Name Type Cluster-IP External-IP Port(s) Age Selector*", service),
    "endpoints": ("Name Endpoints Age", endpoints),
    "endpointslices.discovery.k8s.io": ("Name AddressType Ports Endpoints Age", endpoint_slice),
    "ingresses.networking.k8s.io": ("Name Class Hosts Address Ports Age", ingress),
    "ingressclasses.networking.k8s.io": ("Name Controller Parameters Age", ingress_class),
    "networkpolicies.networking.k8s.io": ("Name Pod-Selector Age", network_policy),
    "nodes": ("Name Status Roles Age Version Internal-IP* External-IP* OS-Image* Kernel-Version* Container-Runtime*", node),
    "events": ("Last_Seen Type Reason Object Subobject* Source* Message First_Seen* Count#* Name*", event),
    "events.events.k8s.io": ("Last_Seen Type Reason Object Subobject* Source* Message First_Seen* Count#* Name*", new_event),
    "namespaces": ("Name Status Age", namespace),
    "secrets": ("Name Type Data# Age", secret),
    "configmaps": ("Name Data# Age", config_map),
    "serviceaccounts": ("Name Age", name_age),
    "persistentvolumes": (
        "Name Capacity Access_Modes Reclaim_Policy Status Claim StorageClass VolumeAttributesClass Reason Age VolumeMode*", volume,
    ),
    "persistentvolumeclaims": ("Name Status Volume Capacity Access_Modes StorageClass VolumeAttributesClass Age VolumeMode*", claim),
    "storageclasses.storage.k8s.io": ("Name Provisioner ReclaimPolicy VolumeBindingMode AllowVolumeExpansion Age", storage_class),
    "resourcequotas": ("Name Request Limit Age", quota),
    "rolebindings.rbac.authorization.k8s.io": ("Name Role Age Users* Groups* ServiceAccounts*", binding),
    "clusterrolebindings.rbac.authorization.k8s.io": ("Name Role Age Users* Groups* ServiceAccounts*", binding),
    "poddisruptionbudgets.policy": ("Name Min_Available Max_Unavailable Allowed_Disruptions# Age", disruption_budget),
    "priorityclasses.scheduling.k8s.io": ("Name Value# Global-Default Age PreemptionPolicy", priority_class),
    "leases.coordination.k8s.io": ("Name Holder Age", lease),
    "controllerrevisions.apps": ("Name Controller Revision# Age", controller_revision),
    "componentstatuses": ("Name Status Message Error", component),
}  # fmt: skip
