"""What may not be written: field errors per resource, in the API server's order and words."""

from collections.abc import Callable, Iterator

from lab.cluster.model.errors import FieldError
from lab.cluster.model.objects import Obj
from lab.cluster.model.resources import Resource
from lab.cluster.registry.validation import pods, services, storage, workloads
from lab.cluster.registry.validation.metadata import object_meta, update_meta

Check = Callable[[Obj], Iterator[FieldError]]
UpdateCheck = Callable[[Obj, Obj], Iterator[FieldError]]

CREATE: dict[str, Check] = {
    "pods": pods.pod,
    "services": services.service,
    "ingresses.networking.k8s.io": services.ingress,
    "networkpolicies.networking.k8s.io": services.network_policy,
    "configmaps": storage.config_map,
    "secrets": storage.secret,
    "persistentvolumeclaims": storage.claim,
    "persistentvolumes": storage.volume,
    "deployments.apps": workloads.deployment,
    "replicasets.apps": workloads.replica_set,
    "statefulsets.apps": workloads.stateful_set,
    "daemonsets.apps": workloads.daemon_set,
    "jobs.batch": workloads.job,
    "cronjobs.batch": workloads.cron_job,
    "horizontalpodautoscalers.autoscaling": workloads.autoscaler,
    "poddisruptionbudgets.policy": workloads.disruption_budget,
    "customresourcedefinitions.apiextensions.k8s.io": storage.custom_resource_definition,
    "roles.rbac.authorization.k8s.io": storage.role,
    "clusterroles.rbac.authorization.k8s.io": storage.role,
    "rolebindings.rbac.authorization.k8s.io": storage.role_binding,
    "clusterrolebindings.rbac.authorization.k8s.io": storage.role_binding,
}
UPDATE: dict[str, UpdateCheck] = {
    "pods": pods.pod_update,
    "services": services.service_update,
    "configmaps": storage.immutable_data,
    "secrets": storage.secret_update,
    "persistentvolumeclaims": storage.claim_update,
    "deployments.apps": workloads.selector_update,
    "replicasets.apps": workloads.selector_update,
    "daemonsets.apps": workloads.selector_update,
    "statefulsets.apps": workloads.stateful_set_update,
    "jobs.batch": workloads.job_update,
    "rolebindings.rbac.authorization.k8s.io": storage.role_binding_update,
    "clusterrolebindings.rbac.authorization.k8s.io": storage.role_binding_update,
}


def on_create(resource: Resource, obj: Obj) -> list[FieldError]:
    errors = list(object_meta(resource, obj))
    check = CREATE.get(resource.qualified)
    return errors + (list(check(obj)) if check else [])


def on_update(resource: Resource, old: Obj, new: Obj) -> list[FieldError]:
    """Rules of change first, as the API server has them for Pods; then those of every object."""
    errors = list(update_meta(resource, old, new))
    check = CREATE.get(resource.qualified)
    change = UPDATE.get(resource.qualified)
    if check:
        errors += check(new)
    if change:
        errors += change(old, new)
    return errors
