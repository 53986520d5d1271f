"""ResourceQuotas: what a namespace uses of what it may."""

from collections.abc import Iterable

from lab.cluster.controllers.base import Controller
from lab.cluster.model.objects import Obj, at, key_of
from lab.cluster.registry.admission import COUNTED, namespace_usage
from lab.cluster.registry.store import Event


class ResourceQuotas(Controller):
    """Counts what each namespace uses of its quotas; admission refuses what is too much."""

    resource, watches, component = "resourcequotas", tuple(COUNTED), "resourcequota-controller"
    resync_seconds = 300.0

    def keys(self, event: Event) -> Iterable[str]:
        return (
            [key_of(quota) for quota in self.client.list(self.resource, event.key[1])]
            if event.key[1]
            else []
        )

    def sync(self, namespace: str, name: str) -> float | None:
        quota = self.get(namespace, name)
        if quota is None:
            return None
        hard: Obj = at(quota, "spec", "hard", default={})
        used = namespace_usage(self.client.registry.store, namespace, list(hard))
        self.client.set_status(self.resource, quota, {"hard": hard, "used": used})
        return None
