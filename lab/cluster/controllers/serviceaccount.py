"""In every namespace: the ServiceAccount ``default``, and the ConfigMap with the authority that its
Pods trust.
"""

from collections.abc import Iterable

from lab.cluster.controllers.base import Controller
from lab.cluster.model.objects import is_deleting
from lab.cluster.registry.client import Client
from lab.cluster.registry.store import Event

ROOT_CA = "kube-root-ca.crt"
DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal"
    " endpoints such as the internal service IP or kubernetes.default.svc. No other usage is"
    " guaranteed across distributions of Kubernetes clusters."
)


class ServiceAccounts(Controller):
    resource, watches, component = (
        "namespaces",
        ("serviceaccounts", "configmaps"),
        "serviceaccount-controller",
    )

    def __init__(self, client: Client, authority: str) -> None:
        super().__init__(client)
        self.authority = authority

    def keys(self, event: Event) -> Iterable[str]:
        return [event.key[1]] if event.key[2] in ("default", ROOT_CA) else []

    def sync(self, namespace: str, name: str) -> float | None:
        found = self.get("", name)
        if found is None or is_deleting(found):
            return None
        if self.client.get("serviceaccounts", name, "default") is None:
            self.client.create(
                "serviceaccounts", {"metadata": {"name": "default", "namespace": name}}
            )
        bundle = self.client.get("configmaps", name, ROOT_CA)
        data = {"ca.crt": self.authority}
        if bundle is None:
            annotations = {"kubernetes.io/description": DESCRIPTION}
            self.client.create(
                "configmaps",
                {
                    "metadata": {"name": ROOT_CA, "namespace": name, "annotations": annotations},
                    "data": data,
                },
            )
        elif bundle.get("data") != data:
            self.client.update("configmaps", bundle | {"data": data})
        return None
