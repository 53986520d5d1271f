"""Topology spread: how evenly the Pods of a group are on nodes, zones and the like."""

from collections.abc import Iterator

from lab.cluster.model.objects import Obj, at, controller_of, is_deleting, labels_of, namespace_of
from lab.cluster.model.selectors import selects
from lab.cluster.scheduler.fit import is_chosen

UNEVEN = "node(s) didn't match pod topology spread constraints"
NO_LABEL = f"{UNEVEN} (missing required label)"

Placed = list[tuple[Obj, Obj]]
"""Pods, each with its node."""


def required(pod: Obj) -> list[Obj]:
    """The constraints without which the Pod may not be on a node."""
    return [c for c in _constraints(pod) if c["whenUnsatisfiable"] == "DoNotSchedule"]


def _constraints(pod: Obj) -> list[Obj]:
    listed: list[Obj] = at(pod, "spec", "topologySpreadConstraints", default=[])
    return listed


def unmet(pod: Obj, node: Obj, nodes: list[Obj], placed: Placed) -> str:
    """Why the Pod would be unevenly spread with the node; empty when it would not."""
    constraints = required(pod)
    keys = {constraint["topologyKey"] for constraint in constraints}
    if not keys <= labels_of(node).keys():
        return NO_LABEL
    domains = [n for n in nodes if keys <= labels_of(n).keys() and is_chosen(pod, n)]
    for constraint in constraints:
        key = constraint["topologyKey"]
        counts = dict.fromkeys((labels_of(n)[key] for n in domains), 0)
        for where in _nodes_of_group(pod, constraint, placed):
            if labels_of(where).get(key) in counts:
                counts[labels_of(where)[key]] += 1
        fewest = min(counts.values(), default=0)
        if len(counts) < (constraint.get("minDomains") or 1):
            fewest = 0
        more = int(selects(_selector(pod, constraint), labels_of(pod)))
        if counts.get(labels_of(node)[key], 0) + more - fewest > constraint["maxSkew"]:
            return UNEVEN
    return ""


def crowd(pod: Obj, node: Obj, placed: Placed) -> int:
    """How many Pods of the group are near the node already; the scheduler prefers few.

    A Pod without constraints of its own is spread over nodes with those of its controller.
    """
    constraints = _constraints(pod)
    if not constraints:
        owner = controller_of(pod)
        return sum(
            where is node
            for other, where in placed
            if owner and (controller_of(other) or {}).get("uid") == owner["uid"]
        )
    return sum(
        labels_of(where).get(constraint["topologyKey"])
        == labels_of(node).get(constraint["topologyKey"])
        for constraint in constraints
        if constraint["whenUnsatisfiable"] == "ScheduleAnyway"
        for where in _nodes_of_group(pod, constraint, placed)
    )


def _selector(pod: Obj, constraint: Obj) -> Obj | None:
    """The constraint's selector, with the Pod's own values of ``matchLabelKeys``."""
    selector: Obj | None = constraint.get("labelSelector")
    own = {
        key: labels_of(pod)[key]
        for key in constraint.get("matchLabelKeys") or []
        if key in labels_of(pod)
    }
    if selector is None or not own:
        return selector
    return selector | {"matchLabels": (selector.get("matchLabels") or {}) | own}


def _nodes_of_group(pod: Obj, constraint: Obj, placed: Placed) -> Iterator[Obj]:
    """The nodes of the Pods that the constraint counts, once for each Pod."""
    selector = _selector(pod, constraint)
    for other, where in placed:
        same = namespace_of(other) == namespace_of(pod) and not is_deleting(other)
        if same and selects(selector, labels_of(other)):
            yield where
