"""The cluster's nodes as boxes, and in each the Pods that it was given."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lab.notebook.cluster import KINDS, Node, Obj, inventory, kubectl_get
from lab.notebook.mermaid import HEALTH_STYLES, Diagram, escape
from lab.notebook.tree import draw_tree

# Mermaid's own distance between rows is 50.
_CLOSE = '%%{init: {"flowchart": {"rankSpacing": 30}}}%%'
# Of a node's box: there Mermaid forgets a class.
_MACHINE = "fill:#ffffff,stroke:#767676,color:#000"


@dataclass(frozen=True)
class _Machine:
    """A node with its Pods; each Pod's images are among its facts. `name` is empty for Pods that
    have no node yet.
    """

    name: str
    ready: bool
    pods: tuple[Node, ...]


def node_map(label: str | None = None) -> Diagram:
    """Draw the cluster's nodes, and the Pods of the current namespace on each.

    `label` (`"lesson=17"`) leaves the Pods that carry it or belong to objects that do. Works with
    any cluster that `kubectl` reaches.

    >>> node_map(label="lesson=17")
    Node lab  Ready
    ├─ Pod site-5d8f7c9b4-x2x7z  nginx; Running, ready
    └─ Pod cache-747f8d69cf-4lbkd  redis; Running, ready
    Node lab-2  NotReady
    └─ Pod site-5d8f7c9b4-hfb8l  nginx; Terminating
    """
    found = _machines(kubectl_get(f"nodes,{KINDS}"), label)
    return Diagram(_mermaid(found), _text(found))


def _machines(found: Iterable[Obj], label: str | None) -> list[_Machine]:
    objects = list(found)
    ready = {each["metadata"]["name"]: _ready(each) for each in objects if each["kind"] == "Node"}
    where = {
        each["metadata"]["name"]: each["spec"].get("nodeName", "")
        for each in objects
        if each["kind"] == "Pod"
    }
    others = [each for each in objects if each["kind"] != "Node"]
    pods = list(_pods(inventory(others, label).objects))
    names = sorted({*ready, *(where[pod.name] for pod in pods)}, key=lambda name: (not name, name))
    return [
        _Machine(name, ready.get(name, True), tuple(pod for pod in pods if where[pod.name] == name))
        for name in names
    ]


def _ready(node: Obj) -> bool:
    conditions = node.get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _pods(trees: Iterable[Node]) -> Iterator[Node]:
    """The Pods of the trees, in their order, with the images of their containers."""
    for tree in trees:
        if tree.kind == "Pod":
            images = [each.facts.split(", ")[0].removeprefix("image ") for each in tree.children]
            yield Node(tree.kind, tree.name, f"{' and '.join(images)}; {tree.facts}", tree.health)
        else:
            yield from _pods(tree.children)


def _text(machines: Iterable[_Machine]) -> str:
    lines: list[str] = []
    for machine in machines:
        branches = [(f"Pod {pod.name}  {pod.facts}", ()) for pod in machine.pods]
        lines += [_title(machine, "  "), *draw_tree(branches)]
    return "\n".join(lines) or "(nothing here yet)"


def _title(machine: _Machine, between: str) -> str:
    if not machine.name:
        return "on no node yet"
    return f"Node {machine.name}{between}{'Ready' if machine.ready else 'NotReady'}"


def _mermaid(machines: Iterable[_Machine]) -> str:
    """A column for each node, in their order: invisible links keep it."""
    lines = [_CLOSE, "flowchart LR", *HEALTH_STYLES]
    columns = list(machines)
    for number, machine in enumerate(columns):
        title = escape(_title(machine, ": "))
        lines += [f'    subgraph m{number}["{title}"]', "        direction TB"]
        for row, pod in enumerate(machine.pods):
            shown = f"<b>{escape(pod.name)}</b><br/>{escape(pod.facts)}"
            lines.append(f'        m{number}p{row}("{shown}"):::{pod.health}')
        if not machine.pods:
            lines.append(f'        m{number}p0["no Pod"]:::none')
        lines += [
            f"        m{number}p{row} ~~~ m{number}p{row + 1}"
            for row in range(len(machine.pods) - 1)
        ]
        lines += ["    end", f"    style m{number} {_MACHINE}"]
    lines += [f"    m{number} ~~~ m{number + 1}" for number in range(len(columns) - 1)]
    return "\n".join(lines)
