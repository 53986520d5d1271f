"""HorizontalPodAutoscalers, which say that they cannot scale: there are no metrics here."""

from lab.cluster.controllers.base import Controller
from lab.cluster.model.errors import not_found
from lab.cluster.model.objects import Obj, at, condition, new_condition, nonzero, seconds_since
from lab.cluster.model.resources import Resource

MISSING = (
    "unable to get metrics for resource {name}: unable to fetch metrics from resource metrics API: "
    "the server could not find the requested resource (get pods.metrics.k8s.io)"
)
PERIOD = 15.0


class HorizontalPodAutoscalers(Controller):
    """Says of each autoscaler that it cannot scale: there are no metrics here.

    Its events and conditions are those of any cluster without a metrics server.
    """

    resource, component = "horizontalpodautoscalers.autoscaling", "horizontal-pod-autoscaler"

    def sync(self, namespace: str, name: str) -> float | None:
        scaler = self.get(namespace, name)
        if scaler is None:
            return None
        if not at(scaler, "status", "conditions") and self._young(scaler):
            return PERIOD - 1
        reference = scaler["spec"]["scaleTargetRef"]
        resource = self.client.registry.resources.by_kind(
            reference.get("apiVersion", "apps/v1"), reference["kind"]
        )
        target = (
            self.client.get(resource.stored_as, namespace, reference["name"]) if resource else None
        )
        if target is None:
            missing = _missing(reference, resource)
            why = f"the HPA controller was unable to get the target's current scale: {missing}"
            self._report(scaler, 0, [("AbleToScale", "False", "FailedGetScale", why)])
            self.recorder.warning(scaler, "FailedGetScale", missing)
            return PERIOD
        self._no_metrics(scaler, at(target, "status", "replicas", default=0))
        return PERIOD

    def _no_metrics(self, scaler: Obj, replicas: int) -> None:
        """Say that there is something to scale, and nothing to scale it by."""
        metrics = scaler["spec"].get("metrics") or []
        metric = at((metrics or [{}])[0], "resource", "name", default="cpu")
        why = f"failed to get {metric} utilization: {MISSING.format(name=metric)}"
        able = "the HPA controller was able to get the target's current scale"
        inactive = f"the HPA was unable to compute the replica count: {why}"
        conditions = [
            ("AbleToScale", "True", "SucceededGetScale", able),
            ("ScalingActive", "False", "FailedGetResourceMetric", inactive),
        ]
        self._report(scaler, replicas, conditions)
        self.recorder.warning(scaler, "FailedGetResourceMetric", why)
        counted = f"invalid metrics ({len(metrics)} invalid out of {len(metrics)})"
        first = f"first error is: failed to get {metric} resource metric value: {why}"
        self.recorder.warning(scaler, "FailedComputeMetricsReplicas", f"{counted}, {first}")

    def _young(self, scaler: Obj) -> bool:
        """The first look is one period after the beginning."""
        return seconds_since(scaler["metadata"]["creationTimestamp"]) < PERIOD - 2

    def _report(
        self, scaler: Obj, replicas: int, conditions: list[tuple[str, str, str, str]]
    ) -> None:
        listed = [new_condition(condition(scaler, kind), kind, *rest) for kind, *rest in conditions]
        status: Obj = {"desiredReplicas": 0, "currentMetrics": None, "conditions": listed}
        status |= nonzero(currentReplicas=replicas)
        self.client.set_status(self.resource, scaler, status)


def _missing(reference: Obj, resource: Resource | None) -> str:
    """Why there is nothing to scale."""
    if resource is not None:
        return str(not_found(resource.group, resource.plural, reference["name"]))
    group = str(reference.get("apiVersion", "")).rpartition("/")[0]
    return f'no matches for kind "{reference["kind"]}" in group "{group}"'
