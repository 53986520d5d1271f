"""The cluster's objects as a tree, down to the containers, and where each Service leads."""

from collections.abc import Iterable

from lab.notebook.cluster import (
    Endpoint,
    Health,
    Inventory,
    Node,
    Service,
    take_inventory,
    without_labels,
)
from lab.notebook.mermaid import HEALTH_STYLES, Diagram, escape
from lab.notebook.tree import Branch, draw_tree

_STYLES = (
    *HEALTH_STYLES,
    "    classDef service fill:#ffffff,stroke:#d55e00,stroke-width:2px,color:#000",
)
_SHAPES = {"Pod": ("(", ")"), "container": ("[[", "]]"), "init container": ("[[", "]]")}


def object_tree(label: str | None = None, *, show_labels: bool = False) -> Diagram:
    """Draw the current namespace's objects: Deployment, ReplicaSet, Pod, container; Services.

    `label` (`"lesson=17"`) leaves the objects that carry it and everything that they own.
    `show_labels` adds the labels of Pods, to compare with what a Service selects. Works with any
    cluster that `kubectl` reaches.

    >>> object_tree(label="lesson=17")
    Deployment site  1/1 ready
    └─ ReplicaSet site-5d8f7c9b4  1/1 ready
       └─ Pod site-5d8f7c9b4-x2x7z  Running, ready
          └─ container nginx  image nginx, running
    Service site  NodePort, 80 -> 80, 30170 on every node
    ├─ selects app=site
    └─ endpoint 10.88.0.5:80 -> Pod site-5d8f7c9b4-x2x7z
    """
    found = take_inventory(label)
    if not show_labels:
        found = without_labels(found)
    return Diagram(_mermaid(found), _text(found))


def _text(found: Inventory) -> str:
    branches = [*map(_branch, found.objects), *map(_service_branch, found.services)]
    lines = [line for name, leaves in branches for line in (name, *draw_tree(leaves))]
    return "\n".join(lines) or "(nothing here yet)"


def _branch(node: Node) -> Branch:
    labels: list[Branch] = [(f"labels {', '.join(node.labels)}", ())] if node.labels else []
    return f"{node.kind} {node.name}  {node.facts}", [*labels, *map(_branch, node.children)]


def _service_branch(service: Service) -> Branch:
    ends = [
        f"endpoint {_address(each)}{f' -> Pod {each.pod}' if each.pod else ''}"
        for each in service.endpoints
    ]
    leaves = [f"selects {service.selector or 'nothing'}", *(ends or ["no endpoints"])]
    return f"Service {service.name}  {', '.join([service.type, *service.ports])}", [
        (leaf, ()) for leaf in leaves
    ]


def _address(endpoint: Endpoint) -> str:
    return endpoint.address if endpoint.ready else f"{endpoint.address} (not ready)"


class _Chart:
    """Mermaid's lines, with identifiers of its own, as names may hold anything."""

    def __init__(self) -> None:
        self.lines = ["flowchart LR", *_STYLES]
        self._ids: dict[tuple[str, str], str] = {}

    def box(self, key: tuple[str, str], text: Iterable[str], style: Health | str) -> str:
        """A node; the same key is the same node."""
        if key not in self._ids:
            self._ids[key] = f"n{len(self._ids)}"
            left, right = _SHAPES.get(key[0], ("[", "]"))
            first, *rest = map(escape, filter(None, text))
            shown = "<br/>".join([f"<b>{first}</b>", *rest])
            self.lines.append(f'    {self._ids[key]}{left}"{shown}"{right}:::{style}')
        return self._ids[key]

    def arrow(self, source: str, arrow: str, target: str) -> None:
        self.lines.append(f"    {source} {arrow} {target}")


def _mermaid(found: Inventory) -> str:
    chart = _Chart()
    for root in found.objects:
        _draw(chart, root, "")
    for service in found.services:
        _draw_service(chart, service)
    if not (found.objects or found.services):
        chart.box(("nothing", ""), ["nothing here yet"], "none")
    return "\n".join(chart.lines)


def _draw(chart: _Chart, node: Node, parent: str) -> str:
    # A container's name is its own only within its Pod.
    is_container = "container" in node.kind
    key = (node.kind, f"{parent}/{node.name}" if is_container else node.name)
    facts = node.facts.split(", ") if is_container else [node.facts]
    labels = f"labels {', '.join(node.labels)}" if node.labels else ""
    me = chart.box(key, [node.name, node.kind, *facts, labels], node.health)
    for child in node.children:
        chart.arrow(me, "-->", _draw(chart, child, me))
    return me


def _draw_service(chart: _Chart, service: Service) -> None:
    selector = f"selects {service.selector}" if service.selector else "selects nothing"
    me = chart.box(
        ("Service", service.name),
        [service.name, f"Service, {service.type}", *service.ports, selector],
        "service",
    )
    for endpoint in service.endpoints:
        key = ("Pod", endpoint.pod) if endpoint.pod else ("address", endpoint.address)
        target = chart.box(key, [endpoint.pod or endpoint.address], "none")
        chart.arrow(me, f'-. "{_address(endpoint)}" .->', target)
    if not service.endpoints:
        chart.arrow(me, "-.-x", chart.box(("no endpoints", service.name), ["no endpoints"], "bad"))
