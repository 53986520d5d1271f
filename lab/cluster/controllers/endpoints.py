"""Endpoints and EndpointSlices: which Pods are behind a Service, and which of them are ready."""

from collections.abc import Iterable

from lab.cluster.controllers.base import Controller
from lab.cluster.controllers.pods import is_ready
from lab.cluster.model.objects import (
    Obj,
    at,
    is_deleting,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    now,
    owner_reference,
    random_suffix,
    uid_of,
)
from lab.cluster.model.selectors import from_map, matches
from lab.cluster.registry.slices import SERVICE, SLICES
from lab.cluster.registry.store import Event

MANAGER = "endpointslice.kubernetes.io/managed-by"
CHANGED = "endpoints.kubernetes.io/last-change-trigger-time"
HEADLESS = "service.kubernetes.io/headless"


class EndpointsController(Controller):
    """Writes the addresses of a Service's Pods into its Endpoints and EndpointSlices.

    They are two controllers in a real cluster, which write the same to both. The service proxy, the
    DNS and the API server's proxy read them. Left out: slices of at most 100 addresses, IPv6,
    topology.
    """

    resource, watches, component = "services", ("pods",), "endpoints-controller"
    batch_seconds = 0.02

    def keys(self, event: Event) -> Iterable[str]:
        """The Services whose selector matches the Pod, as it is or as it was."""
        labels = [labels_of(obj) for obj in (event.obj, event.before) if obj]
        for service in self.client.list("services", event.key[1]):
            selector = at(service, "spec", "selector")
            if selector and any(matches(from_map(selector), some) for some in labels):
                yield key_of(service)

    def sync(self, namespace: str, name: str) -> float | None:
        service = self.get(namespace, name)
        if service is None:
            left = self.client.get("endpoints", namespace, name)
            if left is not None:
                self.client.delete("endpoints", left)
            return None
        if not at(service, "spec", "selector") or service["spec"]["type"] == "ExternalName":
            return None
        chosen = [
            pod
            for pod in self.client.list("pods", namespace)
            if matches(from_map(service["spec"]["selector"]), labels_of(pod))
            and at(pod, "status", "podIP")
            and at(pod, "status", "phase") not in ("Succeeded", "Failed")
        ]
        chosen.sort(key=lambda pod: str(pod["status"]["podIP"]))
        staying = [pod for pod in chosen if not is_deleting(pod) or self._publishes(service)]
        self._endpoints(service, staying)
        self._slices(service, chosen)
        return None

    def _publishes(self, service: Obj) -> bool:
        return bool(service["spec"].get("publishNotReadyAddresses"))

    def _ports(self, service: Obj, pod: Obj) -> list[Obj]:
        """The ports of a Service as they are at one Pod, where a target may be a name."""
        ports = []
        for port in service["spec"].get("ports") or []:
            number = target_port(port, pod)
            if number is not None:
                name, protocol = port.get("name", ""), port.get("protocol", "TCP")
                ports.append({"name": name, "port": number, "protocol": protocol})
        return ports

    def _endpoints(self, service: Obj, pods: list[Obj]) -> None:
        """Write the Endpoints: the addresses of Pods, those with the same ports together."""
        subsets = list(self._subsets(service, pods))
        stored = self.client.get("endpoints", namespace_of(service), name_of(service))
        labels = _labels(service) | {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}
        if stored is None:
            meta = {
                "name": name_of(service),
                "namespace": namespace_of(service),
                "labels": labels,
                "annotations": {CHANGED: now()},
            }
            content = {"subsets": subsets} if subsets else {}
            self.client.create("endpoints", {"metadata": meta} | content)
        elif (stored.get("subsets") or []) != subsets:

            def edit(fresh: Obj) -> None:
                fresh["subsets"] = subsets
                fresh["metadata"].setdefault("annotations", {})[CHANGED] = now()
                fresh["metadata"]["labels"] = labels

            self.client.change("endpoints", stored, edit)

    def _subsets(self, service: Obj, pods: list[Obj]) -> Iterable[Obj]:
        subsets: dict[str, Obj] = {}
        for pod in pods:
            ports = [
                {key: value for key, value in port.items() if value != ""}
                for port in self._ports(service, pod)
            ]
            subset = subsets.setdefault(str(ports), {"ports": ports})
            ready = is_ready(pod) or self._publishes(service)
            address = {
                "ip": pod["status"]["podIP"],
                "nodeName": pod["spec"]["nodeName"],
                "targetRef": _reference(pod),
            } | _hostname(service, pod)
            subset.setdefault("addresses" if ready else "notReadyAddresses", []).append(address)
        return subsets.values()

    def _slices(self, service: Obj, pods: list[Obj]) -> None:
        """A slice for the Pods that have the same ports; without Pods, an empty one.

        A named port may be another number in each Pod.
        """
        wanted: dict[str, tuple[list[Obj] | None, list[Obj]]] = {}
        for pod in pods:
            at_pod = self._ports(service, pod)
            endpoint = _endpoint(pod, self._publishes(service)) | _hostname(service, pod)
            wanted.setdefault(str(at_pod), (at_pod, []))[1].append(endpoint)
        own = [
            s
            for s in self.client.list(SLICES, namespace_of(service))
            if labels_of(s).get(SERVICE) == name_of(service) and MANAGER in labels_of(s)
        ]
        missing = []
        for ports, endpoints in wanted.values() or [(None, [])]:
            fitting = next((s for s in own if (s.get("ports") or None) == (ports or None)), None)
            if fitting is None:
                missing.append((ports, endpoints))
            else:
                own.remove(fitting)
                self._fill(fitting, ports, endpoints)
        for ports, endpoints in missing:
            if own:
                self._fill(own.pop(), ports, endpoints)
            else:
                self._create_slice(service, ports, endpoints)
        for unused in own:
            self.client.delete(SLICES, unused)

    def _fill(self, stored: Obj, ports: list[Obj] | None, endpoints: list[Obj]) -> None:
        if (stored.get("endpoints") or []) == endpoints and (stored.get("ports") or None) == (
            ports or None
        ):
            return

        def edit(fresh: Obj) -> None:
            fresh["endpoints"], fresh["ports"] = endpoints, ports
            fresh["metadata"].setdefault("annotations", {})[CHANGED] = now()

        self.client.change(SLICES, stored, edit)

    def _create_slice(self, service: Obj, ports: list[Obj] | None, endpoints: list[Obj]) -> None:
        self.client.create(
            SLICES,
            {
                "metadata": {
                    "name": f"{name_of(service)}-{random_suffix()}",
                    "generateName": f"{name_of(service)}-",
                    "namespace": namespace_of(service),
                    "labels": {
                        **_labels(service),
                        MANAGER: "endpointslice-controller.k8s.io",
                        SERVICE: name_of(service),
                    },
                    "annotations": {CHANGED: now()},
                    "ownerReferences": [owner_reference(service)],
                },
                "addressType": "IPv4",
                "endpoints": endpoints,
                "ports": ports,
            },
        )


def _endpoint(pod: Obj, publish: bool) -> Obj:
    serving = is_ready(pod)
    conditions = {
        "ready": (serving or publish) and not is_deleting(pod),
        "serving": serving,
        "terminating": is_deleting(pod),
    }
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": conditions,
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": _reference(pod),
    }


def _reference(pod: Obj) -> Obj:
    return {"kind": "Pod", "namespace": namespace_of(pod), "name": name_of(pod), "uid": uid_of(pod)}


def _labels(service: Obj) -> dict[str, str]:
    """The labels that a Service passes on; one without an address says so."""
    headless = at(service, "spec", "clusterIP", default="None") == "None"
    return labels_of(service) | ({HEADLESS: ""} if headless else {})


def _hostname(service: Obj, pod: Obj) -> Obj:
    """The name that a Pod has in the domain of its Service, if it is to have one there."""
    spec = pod["spec"]
    named = spec.get("hostname") and spec.get("subdomain") == name_of(service)
    return {"hostname": spec["hostname"]} if named else {}


def target_port(port: Obj, pod: Obj) -> int | None:
    """The number of a Service port's target at a Pod; None without a port of that name there."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    for container in pod["spec"]["containers"]:
        for named in container.get("ports") or []:
            same_protocol = named.get("protocol", "TCP") == port.get("protocol", "TCP")
            if named.get("name") == target and same_protocol:
                return int(named["containerPort"])
    return None
