"""Events: what the parts say about an object; the same again is counted (``x3``)."""

import logging
import time
from dataclasses import dataclass, field

from lab.cluster.model.errors import APIError
from lab.cluster.model.objects import Obj, copy, name_of, namespace_of, now, now_micro, uid_of
from lab.cluster.registry.client import Client

LOG = logging.getLogger("events")
REMEMBERED = 4096
SIMILAR = 10  # from here on, events that differ only in their message are combined
WINDOW_SECONDS = 600


@dataclass
class _Similar:
    messages: set[str] = field(default_factory=set)
    last: float = 0.0


class Recorder:
    """Writes events as ``component``; ``host`` is the node of a kubelet."""

    def __init__(self, client: Client, component: str, host: str = "") -> None:
        self.client, self.component, self.host = client, component, host
        self._seen: dict[tuple[str, ...], str] = {}
        self._similar: dict[tuple[str, ...], _Similar] = {}

    def normal(self, obj: Obj, reason: str, message: str, field_path: str = "") -> None:
        self._record(obj, "Normal", reason, message, field_path)

    def warning(self, obj: Obj, reason: str, message: str, field_path: str = "") -> None:
        self._record(obj, "Warning", reason, message, field_path)

    def _record(self, obj: Obj, kind: str, reason: str, message: str, field_path: str) -> None:
        group = (uid_of(obj), kind, reason, field_path)
        message = self._combine(group, message)
        key = (*group, message)
        before = self._seen.get(key)
        namespace = namespace_of(obj) or "default"
        found = self.client.get("events", namespace, before) if before else None
        try:
            if found is not None:
                self._again(found)
            else:
                self._remember(key, self._create(obj, kind, reason, message, field_path, namespace))
        except (
            APIError
        ) as error:  # its namespace may be going: what happens matters, not that it is told
            LOG.info("event %s of %s is lost: %s", reason, name_of(obj), error)

    def _remember(self, key: tuple[str, ...], name: str) -> None:
        if len(self._seen) > REMEMBERED:
            self._seen.clear()
        self._seen[key] = name

    def _combine(self, group: tuple[str, ...], message: str) -> str:
        if len(self._similar) > REMEMBERED:
            self._similar.clear()
        similar = self._similar.setdefault(group, _Similar())
        if time.monotonic() - similar.last > WINDOW_SECONDS:
            similar.messages.clear()
        similar.last = time.monotonic()
        similar.messages.add(message)
        if len(similar.messages) <= SIMILAR:
            return message
        similar.messages = set(list(similar.messages)[: SIMILAR + 1])
        return f"(combined from similar events): {message}"

    def _again(self, event: Obj) -> None:
        event = copy(event)
        event["count"], event["lastTimestamp"] = event.get("count", 1) + 1, now()
        self.client.update("events", event)

    def _create(
        self, obj: Obj, kind: str, reason: str, message: str, field_path: str, namespace: str
    ) -> str:
        moment = now()
        source = {"component": self.component} | ({"host": self.host} if self.host else {})
        event = self.client.create(
            "events",
            {
                "metadata": {"name": event_name(obj), "namespace": namespace},
                "involvedObject": reference(obj, field_path),
                "reason": reason,
                "message": message,
                "type": kind,
                "count": 1,
                "source": source,
                "firstTimestamp": moment,
                "lastTimestamp": moment,
                "eventTime": None,
                "reportingComponent": self.component,
                "reportingInstance": self.host,
            },
        )
        return name_of(event)

    def scheduled(self, pod: Obj, kind: str, reason: str, action: str, note: str) -> None:
        """An event of the newer API, as the scheduler writes them; never repeated."""
        key = (uid_of(pod), kind, reason, note)
        before = self._seen.get(key)
        found = self.client.get("events", namespace_of(pod), before) if before else None
        if found is not None:
            return
        try:
            event = self.client.create(
                "events.events.k8s.io",
                {
                    "metadata": {"name": event_name(pod), "namespace": namespace_of(pod)},
                    "eventTime": now_micro(),
                    "regarding": reference(pod, ""),
                    "reason": reason,
                    "note": note,
                    "type": kind,
                    "action": action,
                    "reportingController": self.component,
                    "reportingInstance": f"{self.component}-{self.host}",
                },
            )
        except APIError as error:
            LOG.info("event %s of %s is lost: %s", reason, name_of(pod), error)
        else:
            self._remember(key, name_of(event))


def event_name(obj: Obj) -> str:
    return f"{name_of(obj)}.{time.time_ns():x}"


def reference(obj: Obj, field_path: str) -> Obj:
    found = {
        "kind": obj["kind"],
        "namespace": namespace_of(obj),
        "name": name_of(obj),
        "uid": uid_of(obj),
        "apiVersion": obj["apiVersion"],
        "resourceVersion": obj["metadata"].get("resourceVersion", ""),
        "fieldPath": field_path,
    }
    return {key: value for key, value in found.items() if value}
