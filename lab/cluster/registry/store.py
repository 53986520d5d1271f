"""The store: every object under its key, each write with the next resourceVersion, and the recent
writes for those who watch.

What etcd is to Kubernetes. Objects are kept in memory (they are small) and written through to
SQLite, so that they survive the process. An object from the store is shared with everyone: copy it
before changing it.
"""

import asyncio
import json
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from lab.cluster.model.objects import Obj

HISTORY = 2_000  # writes that a watch may look back on

Key = tuple[
    str, str, str
]  # resource (``deployments.apps``), namespace ("" where there is none), name


@dataclass(frozen=True)
class Event:
    """One write.

    ``kind`` as in a watch; ``before`` is the object that it replaced; ``obj`` of a DELETED one is
    its last state.
    """

    revision: int
    kind: str
    key: Key
    obj: Obj
    before: Obj | None


class GoneError(Exception):
    """The history does not reach back to the wanted revision."""


class Store:
    """Objects by key. All methods run to their end without awaiting, so that each is atomic."""

    def __init__(self, path: Path | None = None) -> None:
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS objects (resource TEXT, namespace TEXT, name TEXT, object"
            " TEXT, PRIMARY KEY (resource, namespace, name)) WITHOUT ROWID"
        )
        self._db.execute("CREATE TABLE IF NOT EXISTS revision (last INTEGER)")
        row = self._db.execute("SELECT last FROM revision").fetchone()
        if row is None:
            self._db.execute("INSERT INTO revision VALUES (1)")
        self.revision = int(row[0]) if row else 1
        self._objects: dict[str, dict[tuple[str, str], Obj]] = {}
        for resource, namespace, name, text in self._db.execute("SELECT * FROM objects"):
            self._objects.setdefault(resource, {})[namespace, name] = json.loads(text)
        self._history: deque[Event] = deque(maxlen=HISTORY)
        self._oldest = self.revision
        self._watchers: set[asyncio.Queue[Event | None]] = set()

    def get(self, key: Key) -> Obj | None:
        return self._objects.get(key[0], {}).get(key[1:])

    def list(self, resource: str, namespace: str = "") -> list[Obj]:
        """Objects of a resource, in one namespace or all, ordered as keys are."""
        objects = self._objects.get(resource, {})
        return [objects[key] for key in sorted(objects) if not namespace or key[0] == namespace]

    def resources(self) -> Iterator[str]:
        """The resources that have objects."""
        return (resource for resource, objects in list(self._objects.items()) if objects)

    def put(self, key: Key, obj: Obj) -> Obj:
        """Create or replace. Returns the object as stored, with its resourceVersion."""
        before = self.get(key)
        self.revision += 1
        stored = obj | {"metadata": obj["metadata"] | {"resourceVersion": str(self.revision)}}
        self._objects.setdefault(key[0], {})[key[1:]] = stored
        self._write(
            "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", (*key, json.dumps(stored))
        )
        self._publish(
            Event(self.revision, "ADDED" if before is None else "MODIFIED", key, stored, before)
        )
        return stored

    def delete(self, key: Key) -> Obj:
        """Remove an object. Returns its last state, with the removal's resourceVersion."""
        before = self._objects[key[0]].pop(key[1:])
        self.revision += 1
        last = before | {"metadata": before["metadata"] | {"resourceVersion": str(self.revision)}}
        self._write("DELETE FROM objects WHERE resource=? AND namespace=? AND name=?", key)
        self._publish(Event(self.revision, "DELETED", key, last, before))
        return last

    def _write(self, statement: str, values: tuple[str, ...]) -> None:
        self._db.execute("BEGIN")
        self._db.execute(statement, values)
        self._db.execute("UPDATE revision SET last=?", (self.revision,))
        self._db.execute("COMMIT")

    def _publish(self, event: Event) -> None:
        if len(self._history) == HISTORY:
            self._oldest = self._history[0].revision
        self._history.append(event)
        for queue in self._watchers:
            queue.put_nowait(event)

    def watch(self, since: int | None = None) -> "Watch":
        """Writes after ``since`` (None: from now on). GoneError when that is too long ago."""
        missed: list[Event] = []
        if since is not None:
            if since < self._oldest:
                raise GoneError(since, self._oldest)
            missed = [event for event in self._history if event.revision > since]
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        for event in missed:
            queue.put_nowait(event)
        self._watchers.add(queue)
        return Watch(self, queue)

    def unwatch(self, queue: asyncio.Queue[Event | None]) -> None:
        self._watchers.discard(queue)

    def close(self) -> None:
        for queue in self._watchers:
            queue.put_nowait(None)
        self._db.close()


class Watch:
    """An endless series of events; leaving the ``with`` block, or the store's end, ends it."""

    def __init__(self, store: Store, queue: asyncio.Queue[Event | None]) -> None:
        self._store, self._queue = store, queue

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *error: object) -> None:
        self._store.unwatch(self._queue)

    async def next(self, seconds: float | None = None) -> Event | None:
        """The next event, or None after that many seconds or at the store's end."""
        try:
            return await asyncio.wait_for(self._queue.get(), seconds)
        except TimeoutError:
            return None

    async def __aiter__(self) -> AsyncIterator[Event]:
        while (event := await self.next()) is not None:
            yield event


def revision_of(obj: Obj) -> int:
    return int(cast(str, obj["metadata"]["resourceVersion"]))
