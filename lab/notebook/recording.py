"""Record what the engine says about itself while commands run."""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import docker
from docker.errors import NotFound

from lab.notebook.engine import engine, short_image
from lab.notebook.errors import LessonError

_ENGINE_KEEPS = 256
"""The engine remembers so many events of the past."""

_SETTLE_SECONDS = 5.0


@dataclass(frozen=True)
class Event:
    """One line of `docker events`.

    `type` is `container`, `image`, `network`, `volume`, …; `action` is Docker's word (`create`,
    `start`, `die`, …). `time` is the engine's clock in seconds. `container_id` is the container
    that it is about, for networks and volumes too. `detail` is the command of an exec, the signal
    of a kill, the destination of a mount.
    """

    time: float
    type: str
    action: str
    name: str
    image: str = ""
    exit_code: int | None = None
    detail: str = ""
    container_id: str = field(default="", repr=False)
    labels: dict[str, str] = field(default_factory=dict, repr=False, compare=False)


class Recording(list[Event]):
    """Events, and when their recording began: `began`, in seconds of the engine's clock."""

    def __init__(self, began: float) -> None:
        super().__init__()
        self.began = began


@contextmanager
def record_events(*, names: Collection[str] = (), label: str | None = None) -> Iterator[Recording]:
    """Record the engine's events in the `with` block; the list is filled at its end.

    `names` keeps only what concerns these containers, images, networks or volumes; `label`
    (`"lesson=02"` or `"lesson"`) what concerns containers with this label. Neither: everything on
    this engine. Nothing is lost and nothing is waited for, except that a container which has ended
    is also reported as ended.

    >>> with record_events(names=["hello"]) as events:
    ...     %shell docker run --name hello busybox echo hello
    >>> [event.action for event in events]
    ['create', 'attach', 'connect', 'start', 'disconnect', 'die']
    """
    with engine() as client:
        since = _engine_time(client)
        events = Recording(float(since))
        try:
            yield events
        finally:
            events.extend(_settled(client, since, names, label))


def _settled(
    client: docker.DockerClient, since: str, names: Collection[str], label: str | None
) -> list[Event]:
    """Ask until the engine, which answers before a container's end is published, has both."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        events = _concerning(_past_events(client, since), names, label)
        if time.monotonic() > deadline or all(
            _agrees(client, each, events) for each in _container_ids(events)
        ):
            return events


def _engine_time(client: docker.DockerClient) -> str:
    """The engine's own clock (its virtual machine's may differ), as seconds.nanoseconds."""
    moment, _, fraction = client.info()["SystemTime"].rstrip("Z").partition(".")
    return f"{int(datetime.fromisoformat(moment + '+00:00').timestamp())}.{fraction.ljust(9, '0')}"


def _past_events(client: docker.DockerClient, since: str) -> list[Event]:
    api: Any = client.api  # its types know only whole seconds, the engine nanoseconds
    raw = list(api.events(since=since, until=_engine_time(client), decode=True))
    if len(raw) >= _ENGINE_KEEPS:
        raise LessonError(
            f"More than {_ENGINE_KEEPS} events happened, and the engine keeps no more.\nTry: record"
            " fewer commands at once."
        )
    return [_event(each) for each in raw]


def _event(raw: dict[str, Any]) -> Event:
    attributes: dict[str, str] = raw["Actor"].get("Attributes") or {}
    type_, actor = raw["Type"], raw["Actor"]["ID"]
    action, _, detail = raw["Action"].partition(": ")
    exit_code = attributes.get("exitCode")
    name = attributes.get("name", actor)
    return Event(
        time=raw["timeNano"] / 1e9,
        type=type_,
        action=action,
        name=short_image(actor if action == "pull" else name) if type_ == "image" else name,
        image=short_image(attributes.get("image", "")),
        exit_code=None if exit_code is None else int(exit_code),
        detail=detail.strip() or attributes.get("signal", "") or attributes.get("destination", ""),
        container_id=actor if type_ == "container" else attributes.get("container", ""),
        labels=attributes,
    )


def _concerning(events: list[Event], names: Collection[str], label: str | None) -> list[Event]:
    if not names and label is None:
        return events
    wanted = {short_image(name) for name in names}
    chosen = [
        event
        for event in events
        if event.type == "container" and (event.name in wanted or has_label(event.labels, label))
    ]
    ids, images = {event.container_id for event in chosen}, {event.image for event in chosen}
    return [
        event
        for event in events
        if (event.container_id in ids if event.container_id else event.name in wanted)
        or (event.type == "image" and event.name in images)
    ]


def has_label(labels: dict[str, str], label: str | None) -> bool:
    """Whether `label` (`lesson=02`, or `lesson` with any value) is there; None is never."""
    if label is None:
        return False
    key, given, value = label.partition("=")
    return key in labels and (not given or labels[key] == value)


def _container_ids(events: list[Event]) -> list[str]:
    return list(dict.fromkeys(event.container_id for event in events if event.type == "container"))


def _agrees(client: docker.DockerClient, container_id: str, events: list[Event]) -> bool:
    """Whether the recording has the end of this container, if it has ended.

    To inspect it waits for the engine's lock.
    """
    actions = [
        event.action
        for event in events
        if event.container_id == container_id and event.type == "container"
    ]
    if "destroy" in actions:
        return True
    try:
        found = client.api.inspect_container(container_id)
    except NotFound:
        return False
    if found["State"]["Running"] or found["State"]["Status"] == "created":
        return True
    # `docker stop` too may return before `die` is published.
    last = next(
        (action for action in reversed(actions) if action in {"start", "kill", "die"}), "die"
    )
    return last == "die" and not found["HostConfig"].get("AutoRemove")
