"""Where requests for a Service's port go: the addresses of its endpoints that are ready."""

from lab.cluster.model.objects import at, labels_of
from lab.cluster.registry.slices import SERVICE, SLICES
from lab.cluster.registry.store import Store


def ready_targets(
    store: Store, namespace: str, service: str, port_name: str
) -> list[tuple[str, int]]:
    """Address and port of each, by Endpoints or, where only they exist, by slices."""
    endpoints = store.get(("endpoints", namespace, service))
    if not endpoints:
        return _of_slices(store, namespace, service, port_name)
    return [
        (address["ip"], port["port"])
        for subset in endpoints.get("subsets") or []
        for port in subset.get("ports") or []
        if port.get("name", "") == port_name
        for address in subset.get("addresses") or []
    ]


def _of_slices(store: Store, namespace: str, service: str, port_name: str) -> list[tuple[str, int]]:
    return [
        (address, port["port"])
        for slice_ in store.list(SLICES, namespace)
        if labels_of(slice_).get(SERVICE) == service
        for port in slice_.get("ports") or []
        if (port.get("name") or "") == port_name and port.get("port")
        for endpoint in slice_.get("endpoints") or []
        if at(endpoint, "conditions", "ready") is not False
        for address in endpoint.get("addresses") or []
    ]
