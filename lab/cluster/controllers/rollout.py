"""How far a rollout may go in one step: the arithmetic of maxSurge and maxUnavailable."""

import math

from lab.cluster.model.objects import Obj, at


def bound(value: int | str, total: int, *, up: bool) -> int:
    """A number, or a percentage of ``total``, as maxSurge and maxUnavailable give it."""
    if isinstance(value, str) and value.endswith("%"):
        share = int(value[:-1]) * total / 100
        return math.ceil(share) if up else math.floor(share)
    return int(value)


def budgets(deployment: Obj) -> tuple[int, int]:
    """How many Pods more, and how many fewer, than wanted there may be during a rollout."""
    replicas = at(deployment, "spec", "replicas", default=0)
    if at(deployment, "spec", "strategy", "type") != "RollingUpdate":
        return 0, 0
    rolling = at(deployment, "spec", "strategy", "rollingUpdate", default={})
    surge = bound(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = bound(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, replicas)


def replicas_of(sets: list[Obj], field: str = "") -> int:
    """The sum of what the sets want, or of a field of their status."""
    return sum(
        at(rs, "status", field, default=0) if field else at(rs, "spec", "replicas", default=0)
        for rs in sets
    )


def new_size(deployment: Obj, size: int, old: list[Obj]) -> int:
    """How far the new ReplicaSet, which has ``size`` replicas, may grow now."""
    replicas = int(at(deployment, "spec", "replicas", default=0))
    if at(deployment, "spec", "strategy", "type") == "Recreate":
        return replicas
    most = replicas + budgets(deployment)[0]
    total = size + replicas_of(old)
    return size + max(0, min(most - total, replicas - size))


def shares(sizes: list[int], total: int) -> list[int]:
    """Sizes of ReplicaSets brought to ``total`` in proportion, each by its share rounded up."""
    left, before = total - sum(sizes), sum(sizes)
    result = []
    for size in sizes:
        share = int(math.copysign(math.ceil(abs(left) * size / before), left)) if before else left
        step = max(-size, min(share, left) if left > 0 else max(share, left))
        result.append(size + step)
        left -= step
    return result
