"""To which addresses a Service brings requests, as the cluster's own controller has written it:
where work is judged, nobody else can write an EndpointSlice.
"""

from __future__ import annotations

from dataclasses import dataclass

from grader.checks import cluster
from grader.checks.cluster import Json

SLICES = "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"
SERVICE = "kubernetes.io/service-name"  # the label by which kube-proxy finds a Service's slices


@dataclass(frozen=True)
class Endpoint:
    """An address that gets requests, the port there, and the name and the uid of its Pod; both are
    empty for an address that is no Pod's.
    """

    address: str
    port: int
    port_name: str
    pod: str
    uid: str


def ready(namespace: str, service: str) -> list[Endpoint]:
    """Those of a Service that are ready, sorted by their Pods' names."""
    slices = [
        one
        for one in cluster.objects(SLICES.format(namespace))
        if (one["metadata"].get("labels") or {}).get(SERVICE) == service
    ]
    return sorted((end for one in slices for end in _endpoints(one)), key=lambda end: end.pod)


def _endpoints(of: Json) -> list[Endpoint]:
    return [
        Endpoint(address, int(port["port"]), port.get("name") or "", *_pod(endpoint))
        for port in of.get("ports") or []
        if port.get("port")
        for endpoint in of.get("endpoints") or []
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for address in endpoint.get("addresses") or []
    ]


def _pod(endpoint: Json) -> tuple[str, str]:
    target = endpoint.get("targetRef") or {}
    if target.get("kind") != "Pod" or not target.get("name"):
        return "", ""
    return str(target["name"]), str(target.get("uid") or "")
