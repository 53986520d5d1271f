"""A recording as a sequence diagram: who asked whom, in order."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from signal import Signals

from lab.notebook.mermaid import Diagram, label
from lab.notebook.names import is_invented
from lab.notebook.recording import Event

CLIENT, DAEMON, REGISTRY = "docker CLI", "dockerd", "registry"


@dataclass(frozen=True)
class Arrow:
    """One message; an `answer` is drawn dashed."""

    source: str
    target: str
    text: str
    time: float
    answer: bool = False


def sequence_diagram(events: Sequence[Event], *, times: bool = False) -> Diagram:
    """Draw recorded events: client → daemon → (registry) → containers, one line of text for each arrow.

    What only a client can ask for is drawn from the client; what the engine does on its own (a restart policy, `--rm`)
    from the daemon. (A container that ended by itself and starts again: from the daemon, which does not tell who asked.)
    Containers without a name of their own appear under their image's. `times` adds milliseconds since
    the first event.

    >>> sequence_diagram(events)
    """
    arrows = list(_Story(events).arrows())
    start = events[0].time if events else 0.0
    texts = [f"{arrow.text} ({1000 * (arrow.time - start):.0f} ms)" if times else arrow.text for arrow in arrows]
    people = _participants(arrows)
    source = ["sequenceDiagram"]
    source += [f"    participant {key} as {label(person)}" for person, key in people.items()]
    lines = []
    for arrow, text in zip(arrows, texts, strict=True):
        line = "-->>" if arrow.answer else "->>"
        source.append(f"    {people[arrow.source]}{line}{people[arrow.target]}: {label(text)}")
        lines.append(f"{arrow.source} {'-->' if arrow.answer else '->'} {arrow.target}: {text}")
    return Diagram("\n".join(source), "\n".join(lines) or "(no events were recorded)")


def _participants(arrows: Iterable[Arrow]) -> dict[str, str]:
    """Client, daemon, registry, then containers as they appear, each with an identifier for Mermaid."""
    seen = [person for arrow in arrows for person in (arrow.source, arrow.target)]
    order = [CLIENT, DAEMON, *([REGISTRY] if REGISTRY in seen else []), *seen]
    return {person: f"p{index}" for index, person in enumerate(dict.fromkeys(order))}


class _Story:
    """Events, told as arrows. What an event means can depend on those before and after it."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events
        self._people = _container_names(events)
        self._attached: set[str] = set()
        self._start_asked: set[str] = set()
        self._requests: dict[str, str] = {}  # stop, restart or kill, from its first signal to the next start
        self._ended_alone: set[str] = set()

    def arrows(self) -> Iterable[Arrow]:
        for index, event in enumerate(self._events):
            person = self._people.get(event.container_id, event.name)
            if event.type == "container":
                messages = self._container(index, event, person)
            else:
                messages = [*self._start_request(index, event, person), *_about_objects(event, person)]
            for source, target, text in messages:
                answer = source == REGISTRY or target == CLIENT or source == person
                yield Arrow(source, target, text, event.time, answer)

    def _container(self, index: int, event: Event, person: str) -> list[tuple[str, str, str]]:
        ask, do = (CLIENT, DAEMON), (DAEMON, person)
        match event.action:
            case "create":
                return [(*ask, f"create {person} from {event.image}"), (*do, "create")]
            case "attach":
                self._attached.add(event.container_id)
                self._ended_alone.discard(event.container_id)
                return [(*ask, f"attach to {person}")]
            case "start":
                request = self._start_request(index - 1, event, person)
                self._start_asked.discard(event.container_id)
                self._requests.pop(event.container_id, None)
                return [*request, (*do, "start")]
            case "kill":
                return self._kill(index, event, person)
            case "die":
                return self._die(event, person)
            case "exec_create":
                return [(*ask, f"exec in {person}: {event.detail}")]
            case "exec_start":
                return [(*do, event.detail)]
            case "exec_die":
                return [(person, DAEMON, f"the exec ended with {event.exit_code}")]
            case "pause" | "unpause":
                return [(*ask, f"{event.action} {person}"), (*do, event.action)]
            case "health_status":
                return [(person, DAEMON, event.detail)]
            case "oom":
                return [(*do, "out of memory")]
            case "destroy":
                return [(*do, "remove")]
            case "commit" | "export" | "rename" | "update":
                return [(*ask, f"{event.action} {person}")]
        return []  # resize, stop and restart: told by what led to them

    def _kill(self, index: int, event: Event, person: str) -> list[tuple[str, str, str]]:
        deed = (DAEMON, person, f"signal {_signal_name(event.detail)}")
        if event.container_id in self._requests:
            return [deed]
        request = self._requests[event.container_id] = self._request(index, event)
        return [(CLIENT, DAEMON, f"{request} {person}"), deed]

    def _start_request(self, index: int, event: Event, person: str) -> list[tuple[str, str, str]]:
        """A client's request for a start comes before the networks and volumes that it takes; the event after them."""
        who = event.container_id
        if not who or who in self._start_asked or who in self._ended_alone or self._requests.get(who) == "restart":
            return []
        following = (later.action for later in self._events[index + 1 :] if later.container_id == who)
        if next((action for action in following if action not in {"connect", "mount", "attach"}), "") != "start":
            return []
        self._start_asked.add(who)
        return [(CLIENT, DAEMON, f"start {person}")]

    def _request(self, index: int, event: Event) -> str:
        """The engine reports `stop` and `restart` after the signals that they sent."""
        request = "kill"
        for later in self._events[index + 1 :]:
            if later.container_id == event.container_id and later.type == "container":
                if later.action in {"stop", "restart"}:
                    request = later.action
                if later.action in {"restart", "kill", "destroy"} and request != "kill":
                    break
        return request

    def _die(self, event: Event, person: str) -> list[tuple[str, str, str]]:
        if event.container_id not in self._requests:
            self._ended_alone.add(event.container_id)
        told = [(DAEMON, CLIENT, f"exit status {event.exit_code}")] if event.container_id in self._attached else []
        return [(person, DAEMON, f"exit status {event.exit_code}"), *told]


def _about_objects(event: Event, person: str) -> list[tuple[str, str, str]]:
    ask, do = (CLIENT, DAEMON), (DAEMON, person)
    name = "an anonymous volume" if is_invented(event.name) else event.name
    match event.type, event.action:
        case "image", "pull":
            return [(DAEMON, REGISTRY, f"pull {name}"), (REGISTRY, DAEMON, f"layers of {name}")]
        case "image", "push":
            return [(DAEMON, REGISTRY, f"push {name}")]
        case "image", action:
            return [(*ask, f"{action} image {name}")]
        case "network", "connect":
            return [(*do, f"connect to network {name}")]
        case "network", "disconnect":
            return [(*do, f"disconnect from network {name}")]
        case "volume", "mount":
            return [(*do, f"mount {name} at {event.detail}")]
        case "volume", "unmount":
            return [(*do, f"unmount {name}")]
        case ("network" | "volume") as what, ("create" | "destroy") as action:
            verb = "create" if action == "create" else "remove"
            return [(*ask, f"{verb} {what} {name}" if name == event.name else f"{verb} {name}")]
    return []


def _signal_name(number: str) -> str:
    try:
        return Signals(int(number)).name
    except ValueError:
        return number


def _container_names(events: Iterable[Event]) -> dict[str, str]:
    """Name each container; those without a name of their own after their image, the second with (2)."""
    names: dict[str, str] = {}
    uses: dict[str, int] = defaultdict(int)
    for event in events:
        if event.type != "container" or event.container_id in names:
            continue
        name = event.image or "container" if is_invented(event.name) else event.name
        uses[name] += 1
        names[event.container_id] = name if uses[name] == 1 else f"{name} ({uses[name]})"
    return names
