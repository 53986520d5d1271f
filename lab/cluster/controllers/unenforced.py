"""What is stored and shown, but not enforced here, says so: with an Event on each object."""

from lab.cluster.controllers.base import Controller
from lab.cluster.registry.store import Event

WHY = {
    "networkpolicies.networking.k8s.io": (
        "This cluster does not enforce network policies: all Pods reach each other."
    )
}


class Unenforced(Controller):
    """Warns about objects that nothing here enforces, with an Event on each."""

    resource, component = "networkpolicies.networking.k8s.io", "pocket-cluster"

    def on(self, event: Event) -> None:
        if event.kind == "ADDED" and event.key[0] in WHY:
            self.recorder.normal(event.obj, "NotEnforced", WHY[event.key[0]])

    def enqueue_all(self) -> None:
        """Each was told when it was made."""
