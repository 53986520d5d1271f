"""In every namespace: the ServiceAccount ``default``, and the authority that Pods trust."""

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
    """Gives each namespace what its Pods need to talk to the API: an account and the authority."""

    resource, watches = "namespaces", ("serviceaccounts", "configmaps")
    component = "serviceaccount-controller"

    def __init__(self, client: Client, authority: str) -> None:
        super().__init__(client)
        self.authority = authority

    def keys(self, event: Event) -> Iterable[str]:
        return [event.key[1]] if event.key[2] in ("default", ROOT_CA) else []

    def sync(self, namespace: str, name: str) -> float | None:
        namespace_object = self.get("", name)
        if namespace_object is None or is_deleting(namespace_object):
            return None
        if self.client.get("serviceaccounts", name, "default") is None:
            account = {"metadata": {"name": "default", "namespace": name}}
            self.client.create("serviceaccounts", account)
        bundle = self.client.get("configmaps", name, ROOT_CA)
        data = {"ca.crt": self.authority}
        if bundle is None:
            annotations = {"kubernetes.io/description": DESCRIPTION}
            meta = {"name": ROOT_CA, "namespace": name, "annotations": annotations}
            self.client.create("configmaps", {"metadata": meta, "data": data})
        elif bundle.get("data") != data:
            self.client.update("configmaps", bundle | {"data": data})
        return None
