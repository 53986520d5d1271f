"""The engine's objects as a map: what runs where, from which image, and how it is reached."""

from collections.abc import Iterable
from ipaddress import ip_address

from lab.notebook.census import Census, Container, Port, take_census
from lab.notebook.engine import engine
from lab.notebook.mermaid import Diagram, escape
from lab.notebook.tree import Branch, draw_tree

# Blue, orange and grey: told apart by every kind of eye, readable on white and on dark.
_STYLES = (
    "    classDef running fill:#cfe8fa,stroke:#0072b2,stroke-width:2px,color:#000",
    "    classDef paused fill:#fdebc8,stroke:#e69f00,stroke-width:2px,color:#000",
    "    classDef still fill:#eeeeee,stroke:#767676,color:#000",
    "    classDef thing fill:#ffffff,stroke:#767676,color:#000",
    "    classDef network fill:none,stroke:#888888",
    "    classDef any fill:#ffffff,stroke:#d55e00,stroke-width:3px,color:#000",
    "    classDef narrow fill:#ffffff,stroke:#d55e00,stroke-dasharray:5 4,color:#000",
    "    classDef unpublished fill:#eeeeee,stroke:#767676,stroke-dasharray:2 3,color:#000",
)


def engine_map(label: str | None = None) -> Diagram:
    """Map the containers, images, networks, ports and volumes of the engine, as they are now.

    `label` (`"lesson=09"`) leaves only containers with it and what they use, which makes the map
    the same on every lab.

    >>> engine_map(label="lesson=09")
    network bridge
    └─ web  running
       ├─ image nginx
       └─ port 80/tcp <- 0.0.0.0:8080, any address
    """
    with engine() as client:
        census = take_census(client, label)
    return Diagram(_mermaid(census), _text(census))


def _text(census: Census) -> str:
    lines = []
    for network in (*census.networks, None):
        members = [each for each in census.containers if _home(each) == network]
        if network is None and not members:
            continue
        lines += [
            f"network {network}" if network else "no network",
            *draw_tree([_branch(each) for each in members]),
        ]
    unused = [
        image for image in census.images if all(each.image != image for each in census.containers)
    ]
    used = {mount.source for each in census.containers for mount in each.mounts}
    for title, names in (
        ("images without a container", unused),
        ("volumes not in use", set(census.volumes) - used),
    ):
        if names:
            lines += [title, *draw_tree([(name, ()) for name in sorted(names)])]
    return "\n".join(lines) or "(nothing here yet)"


def _home(container: Container) -> str | None:
    """The network whose box a container is drawn in: a node of Mermaid stands in one box only."""
    return container.networks[0] if container.networks else None


def _branch(container: Container) -> Branch:
    ports = (
        (
            f"port {port.container} <- {_host(port)}, {_reach(port)}"
            if port.address
            else f"port {port.container} not published"
        )
        for port in container.ports
    )
    mounts = (f"{mount.kind} {mount.source} -> {mount.target}" for mount in container.mounts)
    also = (f"also in network {network}" for network in container.networks[1:])
    leaves = [f"image {container.image}", *ports, *mounts, *also]
    return f"{container.name}  {container.state}", [(leaf, ()) for leaf in leaves]


def _host(port: Port) -> str:
    address = f"[{port.address}]" if ":" in port.address else port.address
    return f"{address}:{port.number}"


def _reach(port: Port) -> str:
    """Which addresses of the host lead to the port."""
    address = ip_address(port.address)
    if address.is_unspecified:
        return "any address"
    return "this host alone" if address.is_loopback else "this address alone"


class _Ids:
    """Identifiers for Mermaid's nodes, as names may hold anything."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, str], str] = {}

    def __call__(self, kind: str, name: str) -> str:
        return self._ids.setdefault((kind, name), f"n{len(self._ids)}")


def _mermaid(census: Census) -> str:
    ids = _Ids()
    lines = ["flowchart LR", *_STYLES]
    lines += [
        f'    {ids("image", name)}[["image {escape(name)}"]]:::thing' for name in census.images
    ]
    for network in census.networks:
        members = [each for each in census.containers if _home(each) == network]
        lines.append(f'    subgraph {ids("network", network)}["network {escape(network)}"]')
        for each in members:
            lines += [f"    {line}" for line in _node(ids, each)]
        guests = [each for each in census.containers if network in each.networks[1:]]
        lines += [
            f'        {ids(f"guest of {network}", each.name)}["<b>{escape(each.name)}</b>"]:::still'
            for each in guests
        ]
        if not members and not guests:
            lines.append(f'        {ids("empty", network)}["(no container)"]:::still')
        lines += ["    end", f"    class {ids('network', network)} network"]
    for each in census.containers:
        if not each.networks:
            lines += _node(ids, each)
    lines += [
        f'    {ids("volume", name)}[("volume {escape(name)}")]:::thing' for name in census.volumes
    ]
    for container in census.containers:
        lines += _links(ids, container)
    if lines == ["flowchart LR", *_STYLES]:
        lines.append('    nothing["nothing here yet"]:::still')
    return "\n".join(lines)


def _node(ids: _Ids, container: Container) -> Iterable[str]:
    """The container, and its ports that nothing outside leads to."""
    state = container.state.split()[0]
    style = state if state in {"running", "paused"} else "still"
    shown = f"<b>{escape(container.name)}</b><br/>{container.state}"
    me = ids("container", container.name)
    yield f'    {me}["{shown}"]:::{style}'
    for port in container.ports:
        if not port.address:
            node = ids(f"port of {container.name}", port.container)
            yield f'    {node}("{port.container}<br/>not published"):::unpublished'
            yield f"    {me} --- {node}"


def _way_in(ids: _Ids, port: Port) -> str:
    """A round node for any address of the host; a cornered, dashed one for a single address."""
    shown = f"{escape(_host(port))}<br/>{_reach(port)}"
    node = ids("port", _host(port))
    if ip_address(port.address).is_unspecified:
        return f'{node}(["{shown}"]):::any'
    return f'{node}{{{{"{shown}"}}}}:::narrow'


def _links(ids: _Ids, container: Container) -> Iterable[str]:
    me = ids("container", container.name)
    yield f"    {ids('image', container.image)} -.-> {me}"
    for port in container.ports:
        if port.address:
            yield f'    {_way_in(ids, port)} -- "{port.container}" --> {me}'
    for mount in container.mounts:
        where = ids(mount.kind, mount.source)
        shape = (
            "" if mount.kind == "volume" else f'[/"{escape(mount.source or mount.kind)}"/]:::thing'
        )
        yield f'    {where}{shape} -- "{escape(mount.target)}" --- {me}'
    for network in container.networks[1:]:
        yield f"    {me} -. same container .- {ids(f'guest of {network}', container.name)}"
