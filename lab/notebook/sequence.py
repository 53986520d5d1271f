"""A recording as a sequence diagram: who asked whom, in order."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from signal import Signals

from lab.notebook.mermaid import Diagram, escape
from lab.notebook.names import is_invented, shown_names
from lab.notebook.recording import Event, Recording

CLIENT, DAEMON, REGISTRY = "docker CLI", "dockerd", "registry"
_IT = "(the container)"

Message = tuple[str, str, str]
"""Who, to whom, what."""

# What an event tells by itself, by its type and action. Not here because others tell it: `start`,
# `kill` and `die` have a history (see _Story); `stop` and `restart` are reported after their
# signals; `resize` is a terminal's window. A pull and a push are reported when they are done.
_MESSAGES: dict[tuple[str, str], tuple[Message, ...]] = {
    ("image", "pull"): ((DAEMON, REGISTRY, "pull {name}"), (REGISTRY, DAEMON, "layers of {name}")),
    ("image", "push"): ((DAEMON, REGISTRY, "push {name}"),),
    ("image", "tag"): ((CLIENT, DAEMON, "tag image {name}"),),
    ("image", "untag"): ((CLIENT, DAEMON, "untag image"),),
    ("image", "delete"): ((CLIENT, DAEMON, "remove image"),),
    ("network", "create"): ((CLIENT, DAEMON, "create network {name}"),),
    ("network", "connect"): ((DAEMON, _IT, "connect to network {name}"),),
    ("network", "disconnect"): ((DAEMON, _IT, "disconnect from network {name}"),),
    ("network", "destroy"): ((CLIENT, DAEMON, "remove network {name}"),),
    ("volume", "create"): ((CLIENT, DAEMON, "create volume {name}"),),
    ("volume", "mount"): ((DAEMON, _IT, "mount volume {name} at {detail}"),),
    ("volume", "unmount"): ((DAEMON, _IT, "unmount volume {name}"),),
    ("volume", "destroy"): ((CLIENT, DAEMON, "remove volume {name}"),),
    ("container", "create"): ((CLIENT, DAEMON, "create {person}{origin}"), (DAEMON, _IT, "create")),
    ("container", "attach"): ((CLIENT, DAEMON, "attach to {person}"),),
    ("container", "start"): ((DAEMON, _IT, "start"),),
    ("container", "exec_create"): ((CLIENT, DAEMON, "exec in {person}: {detail}"),),
    ("container", "exec_start"): ((DAEMON, _IT, "exec {detail}"),),
    ("container", "exec_die"): ((_IT, DAEMON, "exec ended, exit status {exit_code}"),),
    ("container", "pause"): ((CLIENT, DAEMON, "pause {person}"), (DAEMON, _IT, "pause")),
    ("container", "unpause"): ((CLIENT, DAEMON, "unpause {person}"), (DAEMON, _IT, "unpause")),
    ("container", "kill"): ((DAEMON, _IT, "signal {detail}"),),
    ("container", "oom"): ((DAEMON, _IT, "out of memory"),),
    ("container", "die"): ((_IT, DAEMON, "exit status {exit_code}"),),
    ("container", "health_status"): ((_IT, DAEMON, "health: {detail}"),),
    ("container", "commit"): ((CLIENT, DAEMON, "commit {person}"),),
    ("container", "rename"): ((CLIENT, DAEMON, "rename {person}"),),
    ("container", "update"): ((CLIENT, DAEMON, "update {person}"),),
    ("container", "destroy"): ((DAEMON, _IT, "remove"),),
}


@dataclass(frozen=True)
class Arrow:
    """One message; an answer is drawn dashed."""

    source: str
    target: str
    text: str
    time: float

    @property
    def is_answer(self) -> bool:
        return self.target == CLIENT or (self.target == DAEMON and self.source != CLIENT)


def sequence_diagram(events: Sequence[Event], *, times: bool = False) -> Diagram:
    """Draw recorded events, an arrow each: client → daemon → containers → (registry).

    What only a client can ask for is drawn from the client; what the engine does on its own (a
    restart policy, `--rm`) from the daemon. (A container that ended by itself and starts again:
    from the daemon, whose events do not tell who asked.) Containers without a name of their own
    appear under their image's. `times` adds milliseconds since the recording began; a pull's are
    those at its end.

    >>> sequence_diagram(events)
    docker CLI -> dockerd: create hello from busybox
    dockerd -> hello: create
    ...
    """
    arrows = list(_Story(events).arrows())
    texts = _timed(arrows, _beginning(events)) if times else [arrow.text for arrow in arrows]
    people = _participants(arrows)
    source = ["sequenceDiagram"]
    source += [f"    participant {key} as {escape(person)}" for person, key in people.items()]
    lines = []
    for arrow, text in zip(arrows, texts, strict=True):
        dashes = "--" if arrow.is_answer else "-"
        source.append(f"    {people[arrow.source]}{dashes}>>{people[arrow.target]}: {escape(text)}")
        lines.append(f"{arrow.source} {dashes}> {arrow.target}: {text}")
    return Diagram("\n".join(source), "\n".join(lines) or "(no events were recorded)")


def _beginning(events: Sequence[Event]) -> float:
    if isinstance(events, Recording):
        return events.began
    return events[0].time if events else 0.0


def _timed(arrows: Iterable[Arrow], beginning: float) -> list[str]:
    """The texts with their times. When a registry was asked is not known, only when it was done."""
    return [
        arrow.text
        if arrow.target == REGISTRY
        else f"{arrow.text} ({1000 * (arrow.time - beginning):.0f} ms)"
        for arrow in arrows
    ]


def _participants(arrows: Iterable[Arrow]) -> dict[str, str]:
    """Client, daemon, containers as they appear, registry last, each with its identifier."""
    seen = [person for arrow in arrows for person in (arrow.source, arrow.target)]
    near = [person for person in seen if person != REGISTRY]
    order = [CLIENT, DAEMON, *near, *([REGISTRY] if REGISTRY in seen else [])]
    return {person: f"p{index}" for index, person in enumerate(dict.fromkeys(order))}


class _Story:
    """Events, told as arrows. What some of them mean depends on those before and after."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events
        self._people = shown_names(
            (event.container_id, event.name, event.image)
            for event in events
            if event.type == "container"
        )
        self._attached: set[str] = set()
        self._start_asked: set[str] = set()
        self._ended_alone: set[str] = set()
        self._requests: dict[
            str, str
        ] = {}  # stop, restart or kill: from its first signal to the next start

    def arrows(self) -> Iterator[Arrow]:
        for index, event in enumerate(self._events):
            person = self._people.get(event.container_id, event.name)
            told = _MESSAGES.get((event.type, event.action), ())
            for source, target, text in (*self._request(index, event), *told, *self._answer(event)):
                source, target = (person if end == _IT else end for end in (source, target))
                yield Arrow(source, target, _fill(text, event, person), event.time)
            self._remember(event)

    def _request(self, index: int, event: Event) -> Iterator[Message]:
        """The client's request that explains an event, before what else a start takes."""
        who = event.container_id
        if event.action == "kill" and who not in self._requests:
            self._requests[who] = self._signal_request(index, who)
            yield CLIENT, DAEMON, f"{self._requests[who]} {{person}}"
        elif self._is_part_of_start(index, who) and not (
            who in self._start_asked or self._starts_by_itself(who)
        ):
            self._start_asked.add(who)
            yield CLIENT, DAEMON, "start {person}"

    def _is_part_of_start(self, index: int, who: str) -> bool:
        actions = (event.action for event in self._events[index:] if event.container_id == who)
        return (
            bool(who)
            and next((each for each in actions if each not in {"connect", "mount"}), "") == "start"
        )

    def _starts_by_itself(self, who: str) -> bool:
        return who in self._ended_alone or self._requests.get(who) == "restart"

    def _signal_request(self, index: int, who: str) -> str:
        """stop, restart or kill: what the engine reports after the signals that it sent."""
        later = [event.action for event in self._events[index + 1 :] if event.container_id == who]
        until_next = later[: later.index("start")] if "start" in later else later
        if "stop" not in until_next:
            return "kill"
        return "restart" if later[len(until_next) + 1 :][:1] == ["restart"] else "stop"

    def _answer(self, event: Event) -> Iterator[Message]:
        if event.action == "die" and event.container_id in self._attached:
            yield DAEMON, CLIENT, "exit status {exit_code}"

    def _remember(self, event: Event) -> None:
        who = event.container_id
        if event.action == "attach":
            self._attached.add(who)
            self._ended_alone.discard(who)
        elif event.action == "start":
            self._start_asked.discard(who)
            self._requests.pop(who, None)
        elif event.action == "die":
            self._attached.discard(who)
            if who not in self._requests:
                self._ended_alone.add(who)


def _fill(text: str, event: Event, person: str) -> str:
    origin = "" if is_invented(event.name) else f" from {event.image}"
    name = "(anonymous)" if is_invented(event.name) else event.name
    detail = _signal_name(event.detail) if event.action == "kill" else event.detail
    return text.format(
        person=person, name=name, origin=origin, detail=detail, exit_code=event.exit_code
    )


def _signal_name(number: str) -> str:
    try:
        return Signals(int(number)).name
    except ValueError:
        return number
