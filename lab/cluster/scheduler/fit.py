"""Whether a node suits a Pod: its taints, its labels, what the Pod asks of it."""

from decimal import Decimal
from typing import cast

from lab.cluster.model import quantity
from lab.cluster.model.objects import Obj, at, labels_of, name_of
from lab.cluster.model.selectors import Requirement, matches

CORDONED = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def toleration_of(pod: Obj, taint: Obj) -> Obj | None:
    """The first toleration by which a Pod bears a taint."""
    for toleration in at(pod, "spec", "tolerations", default=[]):
        if toleration.get("effect") not in (None, "", taint["effect"]):
            continue
        if toleration.get("operator", "Equal") == "Exists":
            if toleration.get("key") in (None, "", taint["key"]):
                return cast(Obj, toleration)
        elif toleration.get("key") == taint["key"] and (toleration.get("value") or "") == (
            taint.get("value") or ""
        ):
            return cast(Obj, toleration)
    return None


def term_matches(term: Obj, node: Obj) -> bool:
    """Whether a term of a node affinity takes the node."""
    expressions = [
        Requirement(e["key"], e["operator"], tuple(e.get("values") or ()))
        for e in term.get("matchExpressions") or []
    ]
    fields = [
        Requirement(e["key"], e["operator"], tuple(e.get("values") or ()))
        for e in term.get("matchFields") or []
    ]
    return matches(expressions, labels_of(node)) and matches(
        fields, {"metadata.name": name_of(node)}
    )


def node_suits(pod: Obj, node: Obj, effects: tuple[str, ...] = ("NoSchedule", "NoExecute")) -> str:
    """Why a Pod may not be on a node, apart from room; empty when it may.

    Taints count that have one of the effects.
    """
    if at(node, "spec", "unschedulable") and toleration_of(pod, CORDONED) is None:
        return "node(s) were unschedulable"
    if at(pod, "spec", "nodeName") not in (None, "", name_of(node)):
        return "node(s) didn't match the requested node name"
    for taint in at(node, "spec", "taints", default=[]):
        if (
            taint["effect"] in effects
            and taint["key"] != CORDONED["key"]
            and toleration_of(pod, taint) is None
        ):
            return "node(s) had untolerated taint(s)"
    return "" if is_chosen(pod, node) else "node(s) didn't match Pod's node affinity/selector"


def is_chosen(pod: Obj, node: Obj) -> bool:
    """Whether the Pod's node selector and node affinity take the node."""
    selector = at(pod, "spec", "nodeSelector", default={})
    required = at(
        pod, "spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"
    )
    return selector.items() <= labels_of(node).items() and (
        not required or selector_matches(required, node)
    )


def selector_matches(selector: Obj, node: Obj) -> bool:
    """Whether a node selector, whose terms are alternatives, takes the node."""
    return any(term_matches(term, node) for term in selector["nodeSelectorTerms"])


def requests(pod: Obj) -> dict[str, Decimal]:
    """What a Pod asks of a node: the sum of its containers, or its largest init container."""
    total: dict[str, Decimal] = {"pods": Decimal(1)}
    for container in pod["spec"]["containers"]:
        for name, amount in at(container, "resources", "requests", default={}).items():
            total[name] = total.get(name, Decimal(0)) + quantity.parse(amount)
    for container in pod["spec"].get("initContainers") or []:
        for name, amount in at(container, "resources", "requests", default={}).items():
            total[name] = max(total.get(name, Decimal(0)), quantity.parse(amount))
    return total
