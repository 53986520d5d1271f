"""What one kind alone needs when written: a Job's labels, a Pod's quality of service."""

from lab.cluster.model.objects import Obj, annotations_of, at
from lab.cluster.registry.defaults import TEMPLATE_GENERATION
from lab.cluster.registry.validation.pods import warnings

WITH_NODE_PORTS = ("NodePort", "LoadBalancer")
KEPT_FIELDS = {
    "pods": ("priority", "preemptionPolicy"),
    "services": ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"),
    "jobs.batch": ("selector",),
    "persistentvolumeclaims": ("storageClassName",),
}


def qos_class(pod: Obj) -> str:
    """BestEffort, Burstable or Guaranteed."""
    containers = pod["spec"]["containers"]
    amounts = [c.get("resources") or {} for c in containers]
    if not any(a.get("limits") or a.get("requests") for a in amounts):
        return "BestEffort"
    for amount in amounts:
        limits, requests = amount.get("limits") or {}, amount.get("requests") or {}
        if {"cpu", "memory"} - set(limits) or any(
            requests.get(name) != limits[name] for name in ("cpu", "memory")
        ):
            return "Burstable"
    return "Guaranteed"


def pod_warnings(name: str, obj: Obj) -> list[str]:
    if name == "pods":
        return list(warnings(obj["spec"], "spec"))
    template = at(obj, "spec", "template", "spec")
    return (
        list(warnings(template, "spec.template.spec"))
        if isinstance(template, dict) and name != "pods"
        else []
    )


def prepare_kind(name: str, obj: Obj) -> None:
    """What only one kind needs when it is created."""
    if name == "jobs.batch":
        prepare_job(obj)


def prepare_job(job: Obj) -> None:
    """A Job selects its Pods by its own uid."""
    spec = job.get("spec")
    if (
        not isinstance(spec, dict)
        or spec.get("manualSelector")
        or not isinstance(spec.get("template"), dict)
    ):
        return
    uid, name = job["metadata"]["uid"], job["metadata"].get("name", "")
    own = {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    }
    meta = spec["template"].setdefault("metadata", {})
    given = meta.get("labels") or {}
    meta["labels"] = given | own
    if spec.get("selector") is None:
        spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    job["metadata"]["labels"] = job["metadata"].get("labels") or dict(given | own)


def keep_kind(name: str, old: Obj, new: Obj) -> None:
    """What a replacement of one kind may leave out and keeps."""
    if name == "namespaces":
        new["spec"] = old["spec"]
    elif name == "daemonsets.apps":
        generation = int(annotations_of(old).get(TEMPLATE_GENERATION, "1"))
        changed = new["spec"].get("template") != old["spec"].get("template")
        new["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = str(
            generation + changed
        )
    elif isinstance(new.get("spec"), dict):
        if name == "services":
            drop_type_fields(old["spec"], new["spec"])
        for key in KEPT_FIELDS.get(name, ()):
            if (
                new["spec"].get("type") != "ExternalName"
                and old["spec"].get(key) is not None
                and not new["spec"].get(key)
            ):
                new["spec"][key] = old["spec"][key]


def drop_type_fields(old: Obj, new: Obj) -> None:
    """A Service of another type loses what only the type before needed."""
    if new.get("type") != "LoadBalancer":
        new.pop("allocateLoadBalancerNodePorts", None)
    before, after = (
        {port["nodePort"] for port in spec.get("ports") or [] if port.get("nodePort")}
        for spec in (old, new)
    )
    if (
        old.get("type") in WITH_NODE_PORTS
        and new.get("type") not in WITH_NODE_PORTS
        and after <= before
    ):
        for port in new.get("ports") or []:
            port.pop("nodePort", None)
