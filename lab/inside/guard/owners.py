"""Whose a container is: nobody else can change or share those that a check makes for itself.

A check asks its questions with programs in containers of its own. Whoever could reach into one of
them would write the answers.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from lab.inside.guard.strict import Forbidden, parse_target

LABEL = "grader.alone"  # on each container that a check makes in grading
POD, CHECKS_POD = "io.kubernetes.pod.name", "check-"  # and on those of its Pods
SHARED = ("NetworkMode", "PidMode", "IpcMode")
# What the engine may take for the beginning of an id. All else is a name, and a check's is drawn:
# nobody knows it before the container is there.
BEGINNING = re.compile(r"[0-9a-f]{1,64}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
HARMLESS = re.compile(r"/containers/(create|prune|[^/]+/(wait|resize))")
IN_PATH = re.compile(r"(?<=/containers/)[^/?]+")
Inspect = Callable[[str], Mapping[str, Any] | None]


class Owners:
    """``inspect`` says what the engine knows of a container; None where it has none."""

    def __init__(self, inspect: Inspect) -> None:
        self._inspect = inspect

    def settled_target(self, method: str, target: str) -> str:
        """The target, without the beginning of an id. Forbidden where it leads to a check's."""
        path, query = parse_target(target)
        if method in ("GET", "HEAD") or HARMLESS.fullmatch(path):
            return target
        if path == "/commit":
            for name, value in query:
                if name == "container":
                    self.settled(value)
            return target
        if not path.startswith("/containers/"):
            return target
        return IN_PATH.sub(lambda found: self.settled(found[0]), target, count=1)

    def settle(self, fields: dict[str, Any]) -> None:
        """The same for the JSON of a request, where containers are named in it."""
        if isinstance(fields.get("Container"), str):  # a network's member
            fields["Container"] = self.settled(fields["Container"])
        host = fields.get("HostConfig")
        if not isinstance(host, dict):
            return
        for field in SHARED:
            kind, colon, name = str(host.get(field) or "").partition(":")
            if kind == "container" and colon:
                host[field] = f"container:{self.settled(name)}"
        if isinstance(host.get("VolumesFrom"), list):
            host["VolumesFrom"] = [self._settled_source(str(one)) for one in host["VolumesFrom"]]

    def _settled_source(self, source: str) -> str:
        name, colon, mode = source.partition(":")
        return f"{self.settled(name)}{colon}{mode}"

    def settled(self, name: str) -> str:
        """A name that means the same container now and when the engine reads it."""
        beginning = BEGINNING.fullmatch(name)
        found = self._inspect(name) if NAME.fullmatch(name) else None
        if found is None:
            if beginning:  # it could be the beginning of one that is there a moment later
                raise Forbidden(f"No such container: {name}", 404)
            return name
        labels = (found.get("Config") or {}).get("Labels") or {}
        if LABEL in labels or str(labels.get(POD, "")).startswith(CHECKS_POD):
            raise Forbidden(f"{name} belongs to a check, which alone can use it.")
        return str(found["Id"]) if beginning else name
