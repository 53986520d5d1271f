"""What the API server fills in when a manifest leaves it out."""

import base64
from collections.abc import Callable

from lab.cluster.model.objects import Obj, at, containers_of

Defaulter = Callable[[Obj], None]
DEFAULTERS: dict[str, Defaulter] = {}
TEMPLATES = (
    "deployments.apps replicasets.apps statefulsets.apps daemonsets.apps jobs.batch "
    "replicationcontrollers"
).split()
FILE_MODE = 420  # 0644
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def defaults_of(*qualified: str) -> Callable[[Defaulter], Defaulter]:
    """Register a function for the resources it fills in."""

    def register(function: Defaulter) -> Defaulter:
        for name in qualified:
            DEFAULTERS[name] = function
        return function

    return register


def set_defaults(qualified: str, obj: Obj) -> None:
    """Fill in, in place, what the resource's objects have by default."""
    if qualified in TEMPLATES and at(obj, "spec", "template") is not None:
        template(obj["spec"]["template"])
    if qualified in DEFAULTERS:
        if qualified not in (
            "configmaps",
            "secrets",
            "serviceaccounts",
            "events",
        ) and not isinstance(obj.get("spec"), dict | None):
            return
        DEFAULTERS[qualified](obj)


def fill(obj: Obj, **values: object) -> None:
    for key, value in values.items():
        obj.setdefault(key, value)


def spec_of(obj: Obj) -> Obj:
    spec: Obj = obj.setdefault("spec", {})
    return spec


def template(pod: Obj) -> None:
    pod.setdefault("metadata", {})
    pod_spec(pod.setdefault("spec", {}))


def pod_spec(spec: Obj) -> None:
    fill(
        spec,
        dnsPolicy="ClusterFirst",
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        schedulerName="default-scheduler",
        securityContext={},
    )
    if spec.get("serviceAccountName"):
        spec["serviceAccount"] = spec["serviceAccountName"]
    elif spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"]
    for container in containers_of(spec):
        _container(container, host_network=bool(spec.get("hostNetwork")))
    for volume in spec.get("volumes") or []:
        _volume(volume)


def pull_policy(image: str) -> str:
    """Always for ``:latest`` or no tag, else IfNotPresent."""
    name = image.rpartition("/")[2]
    tag = name.partition(":")[2]
    return "Always" if "@" not in name and tag in ("", "latest") else "IfNotPresent"


def _container(container: Obj, *, host_network: bool) -> None:
    fill(
        container,
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        resources={},
        imagePullPolicy=pull_policy(container.get("image") or ""),
    )
    for port in container.get("ports") or []:
        fill(port, protocol="TCP")
        if host_network and port.get("containerPort"):
            fill(port, hostPort=port["containerPort"])
    for variable in container.get("env") or []:
        reference = at(variable, "valueFrom", "fieldRef")
        if reference:
            fill(reference, apiVersion="v1")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(probe) is not None:
            fill(
                container[probe],
                timeoutSeconds=1,
                periodSeconds=10,
                successThreshold=1,
                failureThreshold=3,
            )
            _http_get(container[probe])
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict):
            _http_get(hook)


def _http_get(handler: Obj) -> None:
    if handler.get("httpGet") is not None:
        fill(handler["httpGet"], path="/", scheme="HTTP")
    if handler.get("grpc") is not None:
        fill(handler["grpc"], service="")


def _volume(volume: Obj) -> None:
    if not set(volume) - {"name"}:
        volume["emptyDir"] = {}
    for source in ("secret", "configMap", "downwardAPI", "projected"):
        if volume.get(source) is not None:
            fill(volume[source], defaultMode=FILE_MODE)
    if volume.get("hostPath") is not None:
        fill(volume["hostPath"], type="")
    for projection in at(volume, "projected", "sources", default=[]):
        if projection.get("serviceAccountToken") is not None:
            fill(projection["serviceAccountToken"], expirationSeconds=3600)
        for item in at(projection, "downwardAPI", "items", default=[]):
            fill(item.get("fieldRef") or {}, apiVersion="v1")
    for item in at(volume, "downwardAPI", "items", default=[]):
        fill(item.get("fieldRef") or {}, apiVersion="v1")


@defaults_of("pods")
def pod(obj: Obj) -> None:
    spec = spec_of(obj)
    pod_spec(spec)
    fill(spec, enableServiceLinks=True)
    for container in containers_of(spec):
        resources = container["resources"]
        for name, amount in (resources.get("limits") or {}).items():
            resources.setdefault("requests", {}).setdefault(name, amount)


@defaults_of("deployments.apps")
def deployment(obj: Obj) -> None:
    spec = spec_of(obj)
    fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = spec.setdefault("strategy", {})
    fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(strategy.setdefault("rollingUpdate", {}), maxSurge="25%", maxUnavailable="25%")


@defaults_of("replicasets.apps", "replicationcontrollers")
def replica_set(obj: Obj) -> None:
    spec = spec_of(obj)
    fill(spec, replicas=1)
    fill(obj.setdefault("status", {}), replicas=0)
    labels = at(spec, "template", "metadata", "labels")
    if labels and obj["kind"] == "ReplicationController":
        fill(spec, selector=dict(labels))
        fill(obj["metadata"], labels=dict(labels))


@defaults_of("statefulsets.apps")
def stateful_set(obj: Obj) -> None:
    spec = spec_of(obj)
    fill(spec, replicas=1, revisionHistoryLimit=10, podManagementPolicy="OrderedReady")
    fill(
        spec.setdefault("persistentVolumeClaimRetentionPolicy", {}),
        whenDeleted="Retain",
        whenScaled="Retain",
    )
    strategy = spec.setdefault("updateStrategy", {})
    fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(strategy.setdefault("rollingUpdate", {}), partition=0)
    for claim in spec.get("volumeClaimTemplates") or []:
        fill(
            claim,
            apiVersion="v1",
            kind="PersistentVolumeClaim",
            metadata={},
            status={"phase": "Pending"},
        )
        fill(claim.setdefault("spec", {}), volumeMode="Filesystem")
    fill(obj.setdefault("status", {}), replicas=0, availableReplicas=0)


@defaults_of("daemonsets.apps")
def daemon_set(obj: Obj) -> None:
    spec = spec_of(obj)
    fill(spec, revisionHistoryLimit=10)
    strategy = spec.setdefault("updateStrategy", {})
    fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(strategy.setdefault("rollingUpdate", {}), maxSurge=0, maxUnavailable=1)
    fill(obj["metadata"].setdefault("annotations", {}), **{TEMPLATE_GENERATION: "1"})
    fill(
        obj.setdefault("status", {}),
        currentNumberScheduled=0,
        desiredNumberScheduled=0,
        numberMisscheduled=0,
        numberReady=0,
    )


def job_spec(spec: Obj) -> None:
    fill(
        spec,
        backoffLimit=6,
        completionMode="NonIndexed",
        suspend=False,
        podReplacementPolicy="TerminatingOrFailed",
    )
    fill(spec, manualSelector=False)
    if spec.get("completions") is None and spec.get("parallelism") is None:
        fill(spec, completions=1)
    fill(spec, parallelism=1)


@defaults_of("jobs.batch")
def job(obj: Obj) -> None:
    job_spec(spec_of(obj))


@defaults_of("cronjobs.batch")
def cron_job(obj: Obj) -> None:
    spec = spec_of(obj)
    fill(
        spec,
        concurrencyPolicy="Allow",
        suspend=False,
        successfulJobsHistoryLimit=3,
        failedJobsHistoryLimit=1,
    )
    job_template = spec.setdefault("jobTemplate", {})
    fill(job_template, metadata={}, spec={})
    if job_template["spec"].get("template") is not None:
        template(job_template["spec"]["template"])


@defaults_of("services")
def service(obj: Obj) -> None:
    spec = spec_of(obj)
    fill(spec, sessionAffinity="None", type="ClusterIP")
    if spec["sessionAffinity"] == "ClientIP":
        fill(
            spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {}),
            timeoutSeconds=10800,
        )
    if spec["type"] != "ExternalName":
        fill(spec, internalTrafficPolicy="Cluster")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        fill(spec, externalTrafficPolicy="Cluster")
    else:
        spec.pop("externalTrafficPolicy", None)
    if spec["type"] == "LoadBalancer":
        fill(spec, allocateLoadBalancerNodePorts=True)
    for port in spec.get("ports") or []:
        fill(port, protocol="TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port")
    fill(obj, status={"loadBalancer": {}})


@defaults_of("ingresses.networking.k8s.io")
def ingress(obj: Obj) -> None:
    fill(obj, status={"loadBalancer": {}})


@defaults_of("networkpolicies.networking.k8s.io")
def network_policy(obj: Obj) -> None:
    spec = spec_of(obj)
    fill(
        spec,
        podSelector={},
        policyTypes=["Ingress", "Egress"] if spec.get("egress") else ["Ingress"],
    )
    for rule in [*(spec.get("ingress") or []), *(spec.get("egress") or [])]:
        for port in rule.get("ports") or []:
            fill(port, protocol="TCP")


@defaults_of("namespaces")
def namespace(obj: Obj) -> None:
    fill(spec_of(obj), finalizers=["kubernetes"])
    fill(obj.setdefault("status", {}), phase="Active")
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"].get(
        "name"
    )


@defaults_of("persistentvolumeclaims")
def claim(obj: Obj) -> None:
    fill(spec_of(obj), volumeMode="Filesystem")
    fill(obj.setdefault("status", {}), phase="Pending")


@defaults_of("persistentvolumes")
def volume(obj: Obj) -> None:
    spec = spec_of(obj)
    fill(spec, persistentVolumeReclaimPolicy="Retain", volumeMode="Filesystem")
    if spec.get("hostPath") is not None:
        fill(spec["hostPath"], type="")
    fill(obj.setdefault("status", {}), phase="Pending")


@defaults_of("secrets")
def secret(obj: Obj) -> None:
    fill(obj, type="Opaque")
    for key, text in (obj.pop("stringData", None) or {}).items():
        obj.setdefault("data", {})[key] = base64.b64encode(str(text).encode()).decode()


@defaults_of("horizontalpodautoscalers.autoscaling")
def autoscaler(obj: Obj) -> None:
    fill(spec_of(obj), minReplicas=1)
    old = obj["apiVersion"] == "autoscaling/v1"
    fill(
        obj.setdefault("status", {}),
        desiredReplicas=0,
        **({"currentReplicas": 0} if old else {"currentMetrics": None}),
    )
    if not old and not obj["spec"].get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        obj["spec"]["metrics"] = [
            {"type": "Resource", "resource": {"name": "cpu", "target": target}}
        ]


@defaults_of("poddisruptionbudgets.policy")
def disruption_budget(obj: Obj) -> None:
    fill(
        obj.setdefault("status", {}),
        currentHealthy=0,
        desiredHealthy=0,
        disruptionsAllowed=0,
        expectedPods=0,
    )


@defaults_of("limitranges")
def limit_range(obj: Obj) -> None:
    for limit in spec_of(obj).get("limits") or []:
        if limit.get("type") == "Container":
            for name, amount in (limit.get("max") or {}).items():
                limit.setdefault("default", {}).setdefault(name, amount)
            for name, amount in (limit.get("default") or {}).items():
                limit.setdefault("defaultRequest", {}).setdefault(name, amount)
            for name, amount in (limit.get("min") or {}).items():
                limit.setdefault("defaultRequest", {}).setdefault(name, amount)


@defaults_of(
    "rolebindings.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io"
)
def role_binding(obj: Obj) -> None:
    fill(obj.get("roleRef") or {}, apiGroup="rbac.authorization.k8s.io")
    for subject in obj.get("subjects") or []:
        if subject.get("kind") in ("User", "Group"):
            fill(subject, apiGroup="rbac.authorization.k8s.io")


@defaults_of("storageclasses.storage.k8s.io")
def storage_class(obj: Obj) -> None:
    fill(obj, reclaimPolicy="Delete", volumeBindingMode="Immediate")


@defaults_of("priorityclasses.scheduling.k8s.io")
def priority_class(obj: Obj) -> None:
    fill(obj, preemptionPolicy="PreemptLowerPriority")


@defaults_of("customresourcedefinitions.apiextensions.k8s.io")
def custom_resource_definition(obj: Obj) -> None:
    spec = spec_of(obj)
    fill(spec, conversion={"strategy": "None"})
    names = spec.setdefault("names", {})
    kind = str(names.get("kind") or "")
    fill(names, singular=kind.lower(), listKind=f"{kind}List")
