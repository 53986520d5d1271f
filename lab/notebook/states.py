"""A container's life as a state machine, with where each container stands now."""

from docker.errors import NotFound

from lab.notebook.census import state_of
from lab.notebook.engine import engine
from lab.notebook.mermaid import Diagram, escape

# Docker's states, and the commands (or happenings) that lead from one to the next.
_BEGIN = _END = "[*]"
_TRANSITIONS = (
    (_BEGIN, "created", "docker create"),
    (_BEGIN, "running", "docker run"),
    ("created", "running", "docker start"),
    ("running", "paused", "docker pause"),
    ("paused", "running", "docker unpause"),
    ("running", "exited", "docker stop, docker kill, or it ends"),
    ("exited", "running", "docker start"),
    ("running", "restarting", "it ends (restart policy)"),
    ("restarting", "running", "started again"),
    ("created", _END, "docker rm"),
    ("exited", _END, "docker rm"),
    ("exited", "dead", "removal failed"),
)
_STATES = ("created", "running", "paused", "restarting", "exited", "dead")
_HERE = "    classDef here fill:#cfe8fa,stroke:#0072b2,stroke-width:3px,color:#000"


def state_diagram(*container_names: str) -> Diagram:
    """Draw a container's states, the commands between them, and where each named one is now.

    >>> state_diagram("web")
    web: paused
      docker unpause -> running
    """
    with engine() as client:
        found = {}
        for name in container_names:
            try:
                found[name] = state_of(client.api.inspect_container(name))
            except NotFound:
                found[name] = ""
    return Diagram(_mermaid(found), _text(found))


def _mermaid(found: dict[str, str]) -> str:
    lines = ["stateDiagram-v2", "    direction LR", _HERE]
    for state in _STATES:
        here = [
            _within(name, shown) for name, shown in found.items() if shown.split(" ")[0] == state
        ]
        if here:
            lines += [
                f'    state "{"<br/>".join([state.upper(), *here])}" as {state}',
                f"    class {state} here",
            ]
    lines += [
        f"    {source} --> {target} : {escape(deed)}" for source, target, deed in _TRANSITIONS
    ]
    return "\n".join(lines)


def _within(name: str, shown: str) -> str:
    """The container's name, with the exit status that its state brings along."""
    return escape(" ".join([name, *shown.split(" ")[1:]]))


def _text(found: dict[str, str]) -> str:
    lines: list[str] = []
    for name, shown in found.items():
        lines.append(f"{name}: {shown or 'no such container (removed, or never created)'}")
        lines += _ways(shown.split(" ")[0] or _BEGIN)
    if found:
        return "\n".join(lines)
    return "\n".join(
        f"{source} -- {deed} -> {target}" for source, target, deed in _TRANSITIONS
    ).replace(_BEGIN, "(none)")


def _ways(state: str) -> list[str]:
    return [
        f"  {deed} -> {'removed' if target == _END else target}"
        for source, target, deed in _TRANSITIONS
        if source == state
    ]
