"""CustomResourceDefinitions: what they define is served as long as they exist."""

from lab.cluster.controllers.base import Controller
from lab.cluster.model.objects import Obj, is_true, new_condition
from lab.cluster.registry.store import Event


class CustomResourceDefinitions(Controller):
    """Serves what a CustomResourceDefinition defines, and deletes its objects when it goes.

    Left out: conflicts of names, conversion webhooks.
    """

    resource, component = "customresourcedefinitions.apiextensions.k8s.io", "crd-controller"

    def on(self, event: Event) -> None:
        super().on(event)
        if event.key[0] == self.resource and event.kind == "DELETED":
            self._remove(event.obj)

    def sync(self, namespace: str, name: str) -> float | None:
        crd = self.get("", name)
        if crd is None:
            return None
        self.client.registry.resources.serve_custom(crd)
        if not is_true(crd, "Established"):
            names = crd["spec"]["names"]
            accepted = "the initial names have been accepted"
            conditions = [
                new_condition(None, "NamesAccepted", "True", "NoConflicts", "no conflicts found"),
                new_condition(None, "Established", "True", "InitialNamesAccepted", accepted),
            ]
            stored = [
                version["name"] for version in crd["spec"]["versions"] if version.get("storage")
            ]
            self.client.set_status(
                self.resource,
                crd,
                {"conditions": conditions, "acceptedNames": names, "storedVersions": stored},
            )
        return None

    def _remove(self, crd: Obj) -> None:
        """Delete the objects of a definition that is gone, and stop serving them."""
        store = self.client.registry.store
        qualified = f"{crd['spec']['names']['plural']}.{crd['spec']['group']}"
        for obj in store.list(qualified):
            store.delete((qualified, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]))
        self.client.registry.resources.stop_custom(crd["metadata"]["name"])
