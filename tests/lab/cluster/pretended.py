"""A cluster without an engine: the real store, registry, scheduler and controllers, and a kubelet
that only says that Pods run.

For what is about objects alone, and must be quick.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from lab.cluster import controllers
from lab.cluster.controllers.base import Controller
from lab.cluster.controllers.base import run as run_controllers
from lab.cluster.model.objects import at, is_deleting, now
from lab.cluster.model.resources import Resources
from lab.cluster.model.schema import Schemas
from lab.cluster.registry.client import Client
from lab.cluster.registry.registry import Registry
from lab.cluster.registry.store import Store
from lab.cluster.scheduler.scheduler import Scheduler

SCHEMAS = Schemas()
NODE = "node"


class Pretended:
    """What a test does to such a cluster. ``unready``: images whose Pods never become ready."""

    def __init__(self) -> None:
        self.store = Store()
        self.registry = Registry(self.store, Resources(), SCHEMAS)
        self.client = Client(self.registry, "test")
        self.unready: set[str] = set()
        self.client.create("namespaces", {"metadata": {"name": "default"}})
        self.add_node(NODE)

    def create(self, resource: str, name: str, **fields: Any) -> dict:
        return self.client.create(
            resource, {"metadata": {"name": name, "namespace": "default"}, **fields}
        )

    def add_node(self, name: str, **labels: str) -> None:
        labels["kubernetes.io/hostname"] = name
        node = self.client.create("nodes", {"metadata": {"name": name, "labels": labels}})
        room = {"cpu": "64", "memory": "64Gi", "pods": "1000"}
        self.client.set_status("nodes", node, {"capacity": room, "allocatable": room})

    def nodes_of(self, prefix: str) -> list[str]:
        """The nodes of the Pods whose names begin so, in the Pods' order; "" while one has none."""
        return [
            at(pod, "spec", "nodeName", default="")
            for pod in self.client.list("pods", "default")
            if pod["metadata"]["name"].startswith(prefix) and not is_deleting(pod)
        ]

    def get(self, resource: str, name: str) -> dict:
        found = self.client.get(resource, "default", name)
        assert found is not None, f"{resource} {name} is not there"
        return found

    def change(self, resource: str, name: str, change: Callable[[dict], None]) -> None:
        self.client.change(resource, self.get(resource, name), change)

    def pods(self) -> list[str]:
        return [
            pod["metadata"]["name"]
            for pod in self.client.list("pods", "default")
            if not is_deleting(pod)
        ]

    def events(self) -> list[tuple[str, str]]:
        return [(event["reason"], event["message"]) for event in self.client.list("events")]

    async def _kubelet(self) -> None:
        with self.store.watch() as watching:
            async for event in watching:
                pod = self.store.get(event.key) if event.key[0] == "pods" else None
                if pod is None or not at(pod, "spec", "nodeName"):
                    continue
                if is_deleting(pod):
                    self.client.delete("pods", pod, grace=0)
                elif at(pod, "status", "phase") == "Pending":
                    ready = not {c["image"] for c in pod["spec"]["containers"]} & self.unready
                    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": now()}
                    self.client.set_status(
                        "pods",
                        pod,
                        {"phase": "Running", "podIP": "10.0.0.1", "conditions": [condition]},
                    )

    @contextlib.asynccontextmanager
    async def running(self, *more: Controller) -> AsyncIterator["Pretended"]:
        listed = [*controllers.all_controllers(self.client, "authority"), *more]
        parts = (
            run_controllers(listed, self.client),
            Scheduler(self.client, NODE).run(),
            self._kubelet(),
        )
        tasks = [asyncio.ensure_future(part) for part in parts]
        try:
            await self.until(lambda: bool(self.client.get("serviceaccounts", "default", "default")))
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def until(self, what: Callable[[], object], seconds: float = 30) -> None:
        """Until ``what()`` is true."""
        async with asyncio.timeout(seconds):
            while not what():
                await asyncio.sleep(0.01)
