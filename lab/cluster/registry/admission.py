"""Admission: what the API server adds to, or refuses of, an object that is valid by itself."""

from collections.abc import Iterator

from lab.cluster.model import quantity
from lab.cluster.model.errors import APIError, forbidden, not_found
from lab.cluster.model.objects import Obj, annotations_of, at, copy, name_of, random_suffix
from lab.cluster.registry.store import Store

PROTECTED_NAMESPACES = ("default", "kube-system", "kube-public")
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 (a path)
EVICTION_SECONDS = 300
PRIORITY_CLASSES = "priorityclasses.scheduling.k8s.io"
COUNTED = {
    "pods": "pods",
    "services": "services",
    "secrets": "secrets",
    "configmaps": "configmaps",
    "persistentvolumeclaims": "persistentvolumeclaims",
    "replicationcontrollers": "replicationcontrollers",
    "resourcequotas": "resourcequotas",
}


def check_namespace(store: Store, namespace: str, plural: str, group: str, name: str) -> None:
    """NamespaceLifecycle: nothing is made in a namespace that is not there or is going."""
    stored = store.get(("namespaces", "", namespace))
    if stored is None:
        raise not_found("", "namespaces", namespace)
    if stored["metadata"].get("deletionTimestamp"):
        why = (
            f"unable to create new content in namespace {namespace} because it is being terminated"
        )
        raise forbidden(group, plural, name, why)


def mutate(store: Store, qualified: str, obj: Obj) -> None:
    """What is added to a new object before it is validated."""
    if qualified == "pods":
        _service_account(store, obj)
        _tolerations(obj)
        _priority(store, obj)
        _limit_ranger_defaults(store, obj)
    elif qualified == "persistentvolumeclaims":
        obj["metadata"].setdefault("finalizers", []).append("kubernetes.io/pvc-protection")
        _default_storage_class(store, obj)
    elif qualified == "persistentvolumes":
        obj["metadata"].setdefault("finalizers", []).append("kubernetes.io/pv-protection")


def validate(store: Store, qualified: str, obj: Obj) -> None:
    """What is refused: more than a LimitRange or a ResourceQuota allows. APIError (403)."""
    if qualified == "pods":
        _limit_ranger_check(store, obj)
    _quota(store, qualified, obj)


def check_update(store: Store, qualified: str, old: Obj, new: Obj) -> None:
    """PersistentVolumeClaimResize: a claim grows when its class lets it. APIError (403)."""
    if qualified != "persistentvolumeclaims":
        return
    before, after = (
        quantity.parse(at(c, "spec", "resources", "requests", "storage", default=0))
        for c in (old, new)
    )
    if after <= before:
        return
    storage_class = store.get(
        ("storageclasses.storage.k8s.io", "", at(old, "spec", "storageClassName", default=""))
    )
    if at(old, "status", "phase") != "Bound":
        raise forbidden(
            "",
            "persistentvolumeclaims",
            name_of(old),
            "Only bound persistent volume claims can be expanded",
        )
    if not (storage_class or {}).get("allowVolumeExpansion"):
        why = (
            "only dynamically provisioned pvc can be resized and the storageclass that provisions"
            " the pvc must support resize"
        )
        raise forbidden("", "persistentvolumeclaims", name_of(old), why)


def _service_account(store: Store, pod: Obj) -> None:
    """The Pod's account, which must exist: its pull secrets, and a token unless unwanted."""
    spec = pod["spec"]
    name = spec["serviceAccount"] = spec.setdefault("serviceAccountName", "default")
    namespace = pod["metadata"]["namespace"]
    account = store.get(("serviceaccounts", namespace, name))
    if (
        account is None and name != "default"
    ):  # that one may still be on its way into a new namespace
        why = (
            f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not'
            " found"
        )
        raise forbidden("", "pods", name_of(pod), why)
    secrets = at(account, "imagePullSecrets", default=[])
    if secrets and not spec.get("imagePullSecrets"):
        spec["imagePullSecrets"] = copy(secrets)
    if (
        at(
            spec,
            "automountServiceAccountToken",
            default=at(account, "automountServiceAccountToken"),
        )
        is not False
    ):
        _token(spec)


def _token(spec: Obj) -> None:
    name = f"kube-api-access-{random_suffix()}"
    mounted = False
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        mounts = container.setdefault("volumeMounts", [])
        if all(mount.get("mountPath") != TOKEN_PATH for mount in mounts):
            mounts.append({"name": name, "mountPath": TOKEN_PATH, "readOnly": True})
            mounted = True
    if mounted:
        spec.setdefault("volumes", []).append(_token_volume(name))


def _token_volume(name: str) -> Obj:
    namespace = {
        "path": "namespace",
        "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
    }
    return {
        "name": name,
        "projected": {
            "defaultMode": 420,
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {
                    "configMap": {
                        "name": "kube-root-ca.crt",
                        "items": [{"key": "ca.crt", "path": "ca.crt"}],
                    }
                },
                {"downwardAPI": {"items": [namespace]}},
            ],
        },
    }


def _tolerations(pod: Obj) -> None:
    given = pod["spec"].setdefault("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(
            toleration.get("key") in (key, None) and toleration.get("effect") in ("NoExecute", None)
            for toleration in given
        ):
            wait = {
                "key": key,
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": EVICTION_SECONDS,
            }
            given.append(wait)


def _priority(store: Store, pod: Obj) -> None:
    spec = pod["spec"]
    defaults = [choice for choice in store.list(PRIORITY_CLASSES) if choice.get("globalDefault")]
    if defaults and not spec.get("priorityClassName"):
        spec["priorityClassName"] = name_of(
            min(defaults, key=lambda choice: int(choice.get("value", 0)))
        )
    name = spec.get("priorityClassName")
    priority_class = store.get((PRIORITY_CLASSES, "", name)) if name else None
    if name and priority_class is None and not name.startswith("system-"):
        raise forbidden("", "pods", name_of(pod), f"no PriorityClass with name {name} was found")
    spec["priority"] = int(priority_class.get("value", 0)) if priority_class else 0
    spec.setdefault(
        "preemptionPolicy", (priority_class or {}).get("preemptionPolicy", "PreemptLowerPriority")
    )


def _default_storage_class(store: Store, claim: Obj) -> None:
    if claim["spec"].get("storageClassName") is not None:
        return
    for storage_class in store.list("storageclasses.storage.k8s.io"):
        if (
            annotations_of(storage_class).get("storageclass.kubernetes.io/is-default-class")
            == "true"
        ):
            claim["spec"]["storageClassName"] = name_of(storage_class)


def _container_limits(store: Store, pod: Obj) -> Iterator[Obj]:
    for limit_range in store.list("limitranges", pod["metadata"]["namespace"]):
        for limit in at(limit_range, "spec", "limits", default=[]):
            if limit.get("type") == "Container":
                yield limit


def _limit_ranger_defaults(store: Store, pod: Obj) -> None:
    for limit in _container_limits(store, pod):
        for container in pod["spec"].get("containers") or []:
            resources = container["resources"]
            for field, source in (("limits", "default"), ("requests", "defaultRequest")):
                for name, amount in (limit.get(source) or {}).items():
                    resources.setdefault(field, {}).setdefault(name, amount)


def _limit_ranger_check(store: Store, pod: Obj) -> None:
    for limit in _container_limits(store, pod):
        for container in pod["spec"]["containers"]:
            amounts = at(container, "resources", "limits", default={})
            for name, most in (limit.get("max") or {}).items():
                if name in amounts and quantity.parse(amounts[name]) > quantity.parse(most):
                    why = (
                        f"maximum {name} usage per Container is {most}, but limit is"
                        f" {amounts[name]}"
                    )
                    raise forbidden("", "pods", name_of(pod), why)
            asked = at(container, "resources", "requests", default={})
            for name, least in (limit.get("min") or {}).items():
                if name in asked and quantity.parse(asked[name]) < quantity.parse(least):
                    why = (
                        f"minimum {name} usage per Container is {least}, but request is"
                        f" {asked[name]}"
                    )
                    raise forbidden("", "pods", name_of(pod), why)


def pod_usage(pod: Obj) -> dict[str, str]:
    """What a Pod counts for: what runs together, or its largest init container if that is more."""
    spec = pod["spec"]
    init = spec.get("initContainers") or []
    staying = [c for c in init if c.get("restartPolicy") == "Always"] + spec["containers"]
    passing = [c for c in init if c.get("restartPolicy") != "Always"]
    used = {"pods": "1", "count/pods": "1"}
    for field in ("requests", "limits"):
        for name in {
            name for c in staying + passing for name in at(c, "resources", field, default={})
        }:
            amounts = [at(c, "resources", field, name, default="0") for c in staying]
            alone = [at(c, "resources", field, name, default="0") for c in passing]
            most = max([quantity.total(amounts), *alone], key=quantity.parse)
            used[f"{field}.{name}"] = most
            if field == "requests":
                used[name] = most
    return used


def usage(qualified: str, obj: Obj) -> dict[str, str]:
    """What an object counts for, by quota name: quantities."""
    if qualified == "pods":
        return pod_usage(obj) if at(obj, "status", "phase") not in ("Succeeded", "Failed") else {}
    used = {f"count/{qualified}": "1"}
    if qualified in COUNTED:
        used[COUNTED[qualified]] = "1"
    if qualified == "services" and at(obj, "spec", "type") in ("NodePort", "LoadBalancer"):
        used["services.nodeports"] = str(len(obj["spec"].get("ports") or []))
    if qualified == "services" and at(obj, "spec", "type") == "LoadBalancer":
        used["services.loadbalancers"] = "1"
    if qualified == "persistentvolumeclaims":
        used["requests.storage"] = at(obj, "spec", "resources", "requests", "storage", default="0")
    return used


def namespace_usage(store: Store, namespace: str, names: list[str]) -> dict[str, str]:
    """How much of each quota name a namespace uses now."""
    amounts: dict[str, list[str]] = {name: [] for name in names}
    for resource in store.resources():
        if resource in COUNTED or any(name == f"count/{resource}" for name in names):
            for obj in store.list(resource, namespace):
                for name, amount in usage(resource, obj).items():
                    if name in amounts:
                        amounts[name].append(amount)
    return {name: quantity.total(some) for name, some in amounts.items()}


def _quota(store: Store, qualified: str, obj: Obj) -> None:
    namespace = obj["metadata"].get("namespace")
    if not namespace:
        return
    asked = usage(qualified, obj)
    for quota in store.list("resourcequotas", namespace):
        hard: dict[str, str] = at(quota, "spec", "hard", default={})
        if qualified == "pods":
            _must_specify(quota, hard, obj)
        counted = [name for name in sorted(hard) if quantity.parse(asked.get(name, "0"))]
        used = namespace_usage(store, namespace, counted)
        over = [
            name
            for name in counted
            if quantity.parse(used[name]) + quantity.parse(asked[name]) > quantity.parse(hard[name])
        ]
        if over:
            parts = [
                f"{label}: " + ",".join(f"{name}={value(name)}" for name in over)
                for label, value in (("requested", asked.__getitem__), ("used", used.__getitem__))
            ]
            limited = ",".join(f"{name}={hard[name]}" for name in over)
            why = f"exceeded quota: {name_of(quota)}, {', '.join(parts)}, limited: {limited}"
            group = qualified.partition(".")[2]
            raise forbidden(group, qualified.partition(".")[0], name_of(obj), why)


def _must_specify(quota: Obj, hard: dict[str, str], pod: Obj) -> None:
    missing = []
    for name in sorted(hard):
        field, _, resource = name.rpartition(".")
        if field not in ("requests", "limits") and name not in ("cpu", "memory"):
            continue
        without = [
            c["name"]
            for c in pod["spec"]["containers"]
            if resource not in at(c, "resources", field or "requests", default={})
        ]
        if without:
            missing.append(f"{name} for: {','.join(without)}")
    if missing:
        why = f"failed quota: {name_of(quota)}: must specify {'; '.join(missing)}"
        raise forbidden("", "pods", name_of(pod), why)


def check_deletion(qualified: str, name: str) -> None:
    if qualified == "namespaces" and name in PROTECTED_NAMESPACES:
        raise APIError(
            403,
            "Forbidden",
            f'namespaces "{name}" is forbidden: this namespace may not be deleted',
            {"name": name, "kind": "namespaces"},
        )
