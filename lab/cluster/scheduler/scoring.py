"""Which of several nodes is best for a Pod: the scores of the real scheduler's plugins, summed."""

from decimal import Decimal

from lab.cluster.model import quantity
from lab.cluster.model.objects import Obj, at
from lab.cluster.scheduler import affinity, spread
from lab.cluster.scheduler.fit import term_matches, toleration_of
from lab.cluster.scheduler.spread import Placed

MOST = 100.0  # of each score before its weight
# What a container counts for that asks for nothing, so that such Pods are spread as well.
WITHOUT_REQUEST = {"cpu": Decimal("0.1"), "memory": Decimal(200 * 1024 * 1024)}


def best(pod: Obj, nodes: list[Obj], placed: Placed) -> Obj:
    """The node with the highest score; the first of several (a real scheduler takes any)."""
    if len(nodes) == 1:
        return nodes[0]
    # The weights are the defaults of kube-scheduler.
    weighted = (
        (3, _fewest([_bad_taints(pod, node) for node in nodes])),
        (2, _most([_node_preference(pod, node) for node in nodes])),
        (2, _fewest([spread.crowd(pod, node, placed) for node in nodes])),
        (2, _most([affinity.preference(pod, node, placed) for node in nodes])),
        (1, [_free(pod, node, placed) for node in nodes]),
    )
    totals = [
        sum(weight * scores[index] for weight, scores in weighted) for index in range(len(nodes))
    ]
    return nodes[totals.index(max(totals))]


def _most(counts: list[int]) -> list[float]:
    """Scores: the highest count has the best, the lowest none."""
    low, high = min(counts), max(counts)
    return [MOST * (count - low) / (high - low) if high > low else 0.0 for count in counts]


def _fewest(counts: list[int]) -> list[float]:
    """Scores: the lowest count has the best."""
    return _most([-count for count in counts])


def _bad_taints(pod: Obj, node: Obj) -> int:
    """How many taints the node has that it would rather not have this Pod for."""
    return sum(
        taint["effect"] == "PreferNoSchedule" and toleration_of(pod, taint) is None
        for taint in at(node, "spec", "taints", default=[])
    )


def _node_preference(pod: Obj, node: Obj) -> int:
    wishes = at(
        pod,
        "spec",
        "affinity",
        "nodeAffinity",
        "preferredDuringSchedulingIgnoredDuringExecution",
        default=[],
    )
    return sum(wish["weight"] for wish in wishes if term_matches(wish["preference"], node))


def _free(pod: Obj, node: Obj, placed: Placed) -> float:
    """The share of CPU and memory that nobody on the node asks for, with the Pod on it."""
    there = [pod, *(other for other, where in placed if where is node)]
    shares = []
    for resource, least in WITHOUT_REQUEST.items():
        has = quantity.parse(at(node, "status", "allocatable", resource, default=0))
        asked = sum((_asked(one, resource, least) for one in there), Decimal(0))
        shares.append(max(0.0, float(1 - asked / has)) if has else 0.0)
    return MOST * sum(shares) / len(shares)


def _asked(pod: Obj, resource: str, least: Decimal) -> Decimal:
    amounts = (
        at(container, "resources", "requests", resource) for container in pod["spec"]["containers"]
    )
    return sum((least if a is None else quantity.parse(a) for a in amounts), Decimal(0))
