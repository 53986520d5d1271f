"""Events last an hour, as etcd's leases have it on a real cluster."""

from lab.cluster.controllers.base import Controller
from lab.cluster.model.objects import seconds_since
from lab.cluster.registry.store import Event

KEPT_SECONDS = 3600.0


class EventTTL(Controller):
    """Deletes Events that are old; in a real cluster, etcd forgets them."""

    resource, component = "events", "event-ttl-controller"
    resync_seconds = 60.0

    def on(self, event: Event) -> None:
        """What is new is young: the next look at everything is early enough."""

    def sync(self, namespace: str, name: str) -> float | None:
        event = self.get(namespace, name)
        if (
            event
            and seconds_since(event.get("lastTimestamp") or event["metadata"]["creationTimestamp"])
            > KEPT_SECONDS
        ):
            self.client.delete(self.resource, event)
        return None
