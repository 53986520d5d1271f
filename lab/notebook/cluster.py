"""What is in the cluster now, read by kubectl: objects, who made whom, and Services."""

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from lab.notebook.errors import LessonError
from lab.notebook.recording import has_label

CONTROLLERS_LABELS = {"pod-template-hash", "controller-revision-hash", "pod-template-generation"}
"""Labels that controllers add to tell their own Pods apart."""

KINDS = "deployments,replicasets,statefulsets,daemonsets,cronjobs,jobs,pods,services,endpointslices"
"""What is asked for. A kind that the reader may not list is left out."""

Obj = dict[str, Any]
Health = Literal["good", "bad", "none"]


@dataclass(frozen=True)
class Node:
    """An object or a container; `health` is `none` where nothing is wanted of it. A Pod has its
    labels, as `key=value`.
    """

    kind: str
    name: str
    facts: str
    health: Health
    children: tuple["Node", ...] = ()
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Endpoint:
    """Where a Service sends requests; `pod` is empty if it is no Pod's address."""

    address: str
    ready: bool
    pod: str


@dataclass(frozen=True)
class Service:
    """A Service: its ports as `port -> target`, and where it sends requests."""

    name: str
    type: str
    ports: tuple[str, ...]
    selector: str
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True)
class Inventory:
    """Objects below those that own them, and Services, so sorted that the same reads the same."""

    objects: tuple[Node, ...]
    services: tuple[Service, ...]


def take_inventory(label: str | None) -> Inventory:
    """The current namespace's objects; with `label` (`lesson=17`) those, and what they own."""
    return inventory(kubectl_get(KINDS), label)


def inventory(found: Iterable[Obj], label: str | None) -> Inventory:
    """Put objects of the API in order."""
    objects = list(found)
    trees = [each for each in objects if each["kind"] not in {"Service", "EndpointSlice"}]
    known = {each["metadata"]["uid"] for each in trees}
    slices = [each for each in objects if each["kind"] == "EndpointSlice"]
    chosen = [
        each
        for each in objects
        if label is None or has_label(each["metadata"].get("labels", {}), label)
    ]
    above = {each["metadata"]["uid"] for each in chosen} if label else known
    roots = [each for each in chosen if each in trees and _owner(each) not in above]
    services = (each for each in chosen if each["kind"] == "Service")
    return Inventory(
        tuple(_nodes(roots, trees)),
        tuple(
            sorted((_service(each, slices) for each in services), key=lambda service: service.name)
        ),
    )


def without_labels(found: Inventory) -> Inventory:
    """The same, and no Pod has labels."""
    return replace(found, objects=tuple(map(_unlabelled, found.objects)))


def _unlabelled(node: Node) -> Node:
    return replace(node, labels=(), children=tuple(map(_unlabelled, node.children)))


def kubectl_get(kinds: str) -> list[Obj]:
    """Objects of these kinds: those of the current namespace, and those that are in none.

    LessonError if the cluster does not answer.
    """
    command = ["kubectl", "get", kinds, "-o", "json", "--request-timeout=20s"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise LessonError(
            "There is no kubectl here.\nTry: bin/lab up, which brings one along."
        ) from None
    try:
        return list(json.loads(done.stdout)["items"])
    except (ValueError, KeyError):
        said = (done.stderr.strip().splitlines() or ["kubectl said nothing."])[-1]
        raise LessonError(
            f"The cluster does not answer.\n{said}\nTry: kubectl config current-context"
        ) from None


def _owner(obj: Obj) -> str:
    """The uid of the object's controller, empty if nobody made it but a person."""
    references = obj["metadata"].get("ownerReferences", ())
    return next((each["uid"] for each in references if each.get("controller")), "")


def _nodes(objects: Iterable[Obj], everything: Sequence[Obj]) -> list[Node]:
    """Trees by kind, revision and name; names that the cluster drew at random count last."""
    found = [(each, _node(each, everything)) for each in objects]
    found.sort(key=lambda pair: (*_order(pair[0]), _facts_below(pair[1]), pair[1].name))
    return [node for _, node in found]


def _order(obj: Obj) -> tuple[str, int, str]:
    meta = obj["metadata"]
    revision = int(meta.get("annotations", {}).get("deployment.kubernetes.io/revision", 0))
    return (
        obj["kind"],
        revision if obj["kind"] == "ReplicaSet" else 0,
        meta.get("generateName") or meta["name"],
    )


def _facts_below(node: Node) -> str:
    return " ".join([node.facts, *map(_facts_below, node.children)])


def _node(obj: Obj, everything: Sequence[Obj]) -> Node:
    if obj["kind"] == "Pod":
        facts, health = _pod(obj)
        name, containers = obj["metadata"]["name"], tuple(_containers(obj))
        return Node("Pod", name, facts, health, containers, tuple(_labels(obj)))
    facts, health = _controller(obj)
    owned = [each for each in everything if _owner(each) == obj["metadata"]["uid"]]
    return Node(
        obj["kind"], obj["metadata"]["name"], facts, health, tuple(_nodes(owned, everything))
    )


def _controller(obj: Obj) -> tuple[str, Health]:
    spec, status = obj["spec"], obj.get("status", {})
    if obj["kind"] == "CronJob":
        return f"at {spec['schedule']}", "none"
    if obj["kind"] == "Job":
        have, want, word = status.get("succeeded", 0), spec.get("completions", 1), "done"
    elif obj["kind"] == "DaemonSet":
        have, want, word = (
            status.get("numberReady", 0),
            status.get("desiredNumberScheduled", 0),
            "ready",
        )
    else:
        have, want, word = status.get("readyReplicas", 0), spec.get("replicas", 1), "ready"
    health: Health = "none" if have == want == 0 else "good" if have == want else "bad"
    return f"{have}/{want} {word}", health


def _pod(pod: Obj) -> tuple[str, Health]:
    status = pod.get("status", {})
    conditions = {each["type"]: each for each in status.get("conditions", ())}
    phase = status.get("phase", "Pending")
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating", "none"
    if phase == "Succeeded":
        return phase, "none"
    if conditions.get("Ready", {}).get("status") == "True":
        return f"{phase}, ready", "good"
    scheduled = conditions.get("PodScheduled", {})
    reason = (
        f" ({scheduled['reason']})"
        if scheduled.get("status") == "False" and "reason" in scheduled
        else ""
    )
    return f"{phase}{reason}, not ready", "bad"


def _labels(pod: Obj) -> Iterable[str]:
    for key, value in sorted(pod["metadata"].get("labels", {}).items()):
        if key not in CONTROLLERS_LABELS:
            yield f"{key}={value}"


def _containers(pod: Obj) -> Iterable[Node]:
    spec, status = pod["spec"], pod.get("status", {})
    for kind, wanted, known in (
        ("init container", spec.get("initContainers", ()), status.get("initContainerStatuses", ())),
        ("container", spec["containers"], status.get("containerStatuses", ())),
    ):
        by_name = {each["name"]: each for each in known}
        for container in wanted:
            state, health = _state(by_name.get(container["name"], {}))
            yield Node(kind, container["name"], f"image {container['image']}, {state}", health)


def _state(status: Obj) -> tuple[str, Health]:
    state = status.get("state", {})
    restarts = status.get("restartCount", 0)
    again = f", {restarts} restart{'s' if restarts > 1 else ''}" if restarts else ""
    if "running" in state:
        return f"running{again}", "good"
    if "terminated" in state:
        code = state["terminated"]["exitCode"]
        return f"exited ({code}){again}", "bad" if code else "none"
    reason = state.get("waiting", {}).get("reason", "")
    return f"waiting ({reason}){again}" if reason else "not started", "bad"


def _service(service: Obj, slices: Iterable[Obj]) -> Service:
    name, spec = service["metadata"]["name"], service["spec"]
    mine = (
        each
        for each in slices
        if each["metadata"].get("labels", {}).get("kubernetes.io/service-name") == name
    )
    return Service(
        name=name,
        type=spec.get("type", "ClusterIP"),
        ports=tuple(_port(each) for each in spec.get("ports", ())),
        selector=",".join(
            f"{key}={value}" for key, value in sorted(spec.get("selector", {}).items())
        ),
        endpoints=tuple(sorted((end for each in mine for end in _endpoints(each)), key=_by_pod)),
    )


def _by_pod(endpoint: Endpoint) -> tuple[bool, str, str]:
    return not endpoint.ready, endpoint.pod, endpoint.address


def _port(port: Obj) -> str:
    node = f", {port['nodePort']} on every node" if "nodePort" in port else ""
    return f"{port['port']} -> {port.get('targetPort', port['port'])}{node}"


def _endpoints(slice_: Obj) -> Iterable[Endpoint]:
    for endpoint in slice_.get("endpoints") or ():
        target = endpoint.get("targetRef", {})
        for address in endpoint["addresses"]:
            for port in slice_.get("ports") or ():
                yield Endpoint(
                    f"{address}:{port.get('port')}",
                    endpoint.get("conditions", {}).get("ready") is not False,
                    target.get("name", "") if target.get("kind") == "Pod" else "",
                )
