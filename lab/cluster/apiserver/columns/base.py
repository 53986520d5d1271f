"""The columns of each resource, and the words in them."""

from datetime import UTC, datetime
from typing import Any

from lab.cluster.model.objects import Obj, at, name_of, parse_time
from lab.cluster.model.selectors import from_object, text_of

NONE, UNSET, UNKNOWN = "<none>", "<unset>", "<unknown>"
MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def human_duration(seconds: float) -> str:
    """As Kubernetes prints ages: two units at most.

    >>> human_duration(61), human_duration(125), human_duration(3600 * 3 + 120)
    ('61s', '2m5s', '3h2m')
    """
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    if total < 0:
        return "0s"
    if total < 120:
        return f"{total}s"
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if minutes < 10:
        return f"{minutes}m{total % 60}s" if total % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if days < 730:
        return f"{days}d"
    years, rest = divmod(days, 365)
    return f"{years}y{rest}d" if years < 8 and rest else f"{years}y"


def since(timestamp: str | None) -> str:
    if not timestamp:
        return UNKNOWN
    return human_duration((datetime.now(UTC) - parse_time(timestamp)).total_seconds())


def age(obj: Obj) -> str:
    return since(at(obj, "metadata", "creationTimestamp"))


def created_at(obj: Obj) -> list[Any]:
    return [name_of(obj), at(obj, "metadata", "creationTimestamp")]


def name_age(obj: Obj) -> list[Any]:
    return [name_of(obj), age(obj)]


def images(spec: Obj) -> list[str]:
    found = spec.get("containers") or []
    return [",".join(c.get("name", "") for c in found), ",".join(c.get("image", "") for c in found)]


def template_images(obj: Obj) -> list[str]:
    return images(at(obj, "spec", "template", "spec", default={}))


def object_selector(obj: Obj) -> str:
    requirements = from_object(at(obj, "spec", "selector"))
    return NONE if requirements is None else text_of(requirements) or NONE
