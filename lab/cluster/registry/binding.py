"""The binding of a Pod to its node: asked for by the scheduler, or as a subresource."""

from lab.cluster.model.errors import conflict
from lab.cluster.model.objects import Obj, at, copy, name_of, namespace_of, now
from lab.cluster.registry.store import Store


def bind(store: Store, pod: Obj, node: str) -> Obj:
    """Assign a Pod to a node.

    No manager is recorded: the binding is not an update. APIError (409) when it is assigned
    already.
    """
    if at(pod, "spec", "nodeName"):
        raise conflict(
            "",
            "pods",
            name_of(pod),
            f'pod {name_of(pod)} is already assigned to node "{pod["spec"]["nodeName"]}"',
        )
    bound = copy(pod)
    bound["spec"]["nodeName"] = node
    conditions = [
        c for c in at(bound, "status", "conditions", default=[]) if c["type"] != "PodScheduled"
    ]
    scheduled = {
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": now(),
    }
    bound.setdefault("status", {})["conditions"] = [*conditions, scheduled]
    return store.put(("pods", namespace_of(pod), name_of(pod)), bound)
