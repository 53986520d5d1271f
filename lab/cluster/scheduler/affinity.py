"""Affinity of Pods to Pods: which others a Pod wants near itself, or far away."""

from lab.cluster.model.objects import Obj, at, labels_of, namespace_of
from lab.cluster.model.selectors import selects

NOT_NEAR = "node(s) didn't match pod affinity rules"
NOT_FAR = "node(s) didn't match pod anti-affinity rules"
KEPT_AWAY = "node(s) didn't satisfy existing pods anti-affinity rules"


def terms(pod: Obj, kind: str) -> list[Obj]:
    """What a Pod requires; ``kind`` is podAffinity or podAntiAffinity."""
    required: list[Obj] = at(
        pod, "spec", "affinity", kind, "requiredDuringSchedulingIgnoredDuringExecution", default=[]
    )
    return required


def _means(term: Obj, holder: Obj, other: Obj) -> bool:
    everywhere = term.get("namespaceSelector") == {}
    near = everywhere or namespace_of(other) in (term.get("namespaces") or [namespace_of(holder)])
    return near and selects(term.get("labelSelector"), labels_of(other))


def _together(term: Obj, node: Obj, other: Obj) -> bool:
    value = labels_of(node).get(term.get("topologyKey", ""))
    return value is not None and value == labels_of(other).get(term.get("topologyKey", ""))


def unmet(pod: Obj, node: Obj, placed: list[tuple[Obj, Obj]]) -> str:
    """Why the Pod may not be on the node with those that are placed; empty when it may."""
    near = terms(pod, "podAffinity")
    wanted = [where for other, where in placed if all(_means(term, pod, other) for term in near)]
    if not wanted and all(
        _means(term, pod, pod) for term in near
    ):  # the first of a group has nobody to be near
        wanted = [node]
    if not all(any(_together(term, node, where) for where in wanted) for term in near):
        return NOT_NEAR
    for other, where in placed:
        if any(
            _means(term, pod, other) and _together(term, node, where)
            for term in terms(pod, "podAntiAffinity")
        ):
            return NOT_FAR
    for other, where in placed:
        if any(
            _means(term, other, pod) and _together(term, node, where)
            for term in terms(other, "podAntiAffinity")
        ):
            return KEPT_AWAY
    return ""


def preference(pod: Obj, node: Obj, placed: list[tuple[Obj, Obj]]) -> int:
    """How much the Pod would rather be on the node for the Pods there: a sum of weights."""
    total = 0
    for kind, sign in (("podAffinity", 1), ("podAntiAffinity", -1)):
        for wish in at(
            pod,
            "spec",
            "affinity",
            kind,
            "preferredDuringSchedulingIgnoredDuringExecution",
            default=[],
        ):
            term = wish["podAffinityTerm"]
            near = [
                o for o, where in placed if _means(term, pod, o) and _together(term, node, where)
            ]
            total += sign * wish["weight"] * len(near)
    return total
