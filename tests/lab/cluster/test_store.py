"""The store: revisions, watches, and what is left after a restart."""

import asyncio
from pathlib import Path

import pytest

from lab.cluster.registry import store as stores
from lab.cluster.registry.store import GoneError, Store


def obj(name: str) -> dict:
    return {"metadata": {"name": name}}


def test_each_write_has_the_next_revision() -> None:
    store = Store()
    first = store.put(("pods", "ns", "a"), obj("a"))
    second = store.put(("pods", "ns", "b"), obj("b"))
    assert (
        int(second["metadata"]["resourceVersion"]) == int(first["metadata"]["resourceVersion"]) + 1
    )


def test_watch_begins_after_the_revision_asked_for() -> None:
    async def seen() -> list[tuple[str, str]]:
        store = Store()
        first = store.put(("pods", "ns", "a"), obj("a"))
        store.put(("pods", "ns", "a"), obj("a"))
        store.delete(("pods", "ns", "a"))
        with store.watch(int(first["metadata"]["resourceVersion"])) as watching:
            events = [await watching.next(1), await watching.next(1)]
        return [(event.kind, event.key[2]) for event in events if event]

    assert asyncio.run(seen()) == [("MODIFIED", "a"), ("DELETED", "a")]


def test_too_old_a_revision_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "HISTORY", 3)
    store = Store()
    for _ in range(10):
        store.put(("pods", "ns", "a"), obj("a"))
    with pytest.raises(GoneError):
        store.watch(1)


def test_objects_and_revision_survive(tmp_path: Path) -> None:
    first = Store(tmp_path / "db")
    kept = first.put(("pods", "ns", "a"), obj("a"))
    first.put(("pods", "ns", "b"), obj("b"))
    first.delete(("pods", "ns", "b"))
    first.close()
    again = Store(tmp_path / "db")
    assert again.list("pods") == [kept]
    assert again.revision == first.revision
