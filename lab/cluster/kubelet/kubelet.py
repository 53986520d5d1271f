"""The kubelet itself: registers the node, keeps a worker for each Pod, listens to the engine."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from lab.cluster.kubelet.container import RUNNING, Container
from lab.cluster.kubelet.engine import EngineError
from lab.cluster.kubelet.host import Machine, heartbeat, register
from lab.cluster.kubelet.images import Images
from lab.cluster.kubelet.node import Node
from lab.cluster.kubelet.podnetwork import CLUSTER_LABEL
from lab.cluster.kubelet.runtime import UID_LABEL, Runtime
from lab.cluster.kubelet.tokens import Tokens
from lab.cluster.kubelet.worker import PodWorker
from lab.cluster.model.errors import bad_request
from lab.cluster.model.objects import Obj, at, is_true, name_of, uid_of
from lab.cluster.registry.client import Client
from lab.cluster.registry.events import Recorder
from lab.cluster.registry.machines import NODE_LABEL

LOG = logging.getLogger("kubelet")
HEARTBEAT_SECONDS = 10.0
RECONNECT_SECONDS = 1.0
# What "is waiting to start" says in place of a reason.
PULL_REASONS = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


class Kubelet:
    """The node's agent: makes the Pods that are bound to its node run, and reports how they are.

    It registers the node and renews its lease, keeps a worker for each Pod, and wakes it when the
    Pod changes in the API or one of its containers ends on the engine. The API server asks it for
    logs and for containers to run commands in. Left out: evicting Pods under pressure, static Pods,
    garbage collection of images. ``Machines`` starts one for each node.

    ``heartbeat_seconds``: how often it says that it lives.
    """

    def __init__(
        self,
        client: Client,
        runtime: Runtime,
        machine: Machine,
        make_token: Callable[[Obj, int, str], str],
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self.client, self.runtime, self.engine = client, runtime, runtime.engine
        self.machine, self.heartbeat_seconds = machine, heartbeat_seconds
        recorder, images = Recorder(client, "kubelet", machine.name), Images(runtime.engine)
        self.node = Node(client, recorder, runtime, images, machine.address, Tokens(make_token))
        self._info: Obj = {}
        self._left_over: dict[str, list[Obj]] = {}
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled. The node is registered first."""
        self._info = await self.runtime.prepare()
        # Before its status: a node that comes back is alive before it is ready.
        heartbeat(self.client, self.machine.name)
        await self._register()
        self._left_over = await self.runtime.pods()
        listening = asyncio.ensure_future(self._listen())
        beating = asyncio.ensure_future(self._beat())
        try:
            with self.client.registry.store.watch() as watching:
                for pod in self.client.list("pods"):
                    self._look(pod)
                await self._remove_orphans()
                async for event in watching:
                    if event.key[0] == "pods":
                        self._look(event.obj)
        finally:
            tasks = (listening, beating, *self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _register(self) -> None:
        await register(self.client, self.engine, self._info, self.machine)

    async def leave(self) -> None:
        """Remove all that its Pods have on the engine; the kubelet must not run any more."""
        await asyncio.gather(*(self.runtime.remove_pod(uid) for uid in await self.runtime.pods()))

    def _look(self, pod: Obj) -> None:
        """Wake the Pod's worker; begin one for a Pod that is this node's."""
        uid = uid_of(pod)
        worker = self._workers.get(uid)
        if worker is not None:
            worker.wake()
        elif (
            at(pod, "spec", "nodeName") == self.machine.name and self.node.current(pod) is not None
        ):
            left_over = self._left_over.pop(uid, [])
            worker = self._workers[uid] = PodWorker(self.node, pod, left_over)
            task = self._tasks[uid] = asyncio.ensure_future(worker.run())
            task.add_done_callback(lambda done: self._ended(uid, done))

    def _ended(self, uid: str, task: asyncio.Task[None]) -> None:
        self._workers.pop(uid, None)
        self._tasks.pop(uid, None)
        self.node.tokens.forget(uid)
        if not task.cancelled() and task.exception() is not None:
            LOG.error("the worker of pod %s failed", uid, exc_info=task.exception())
            asyncio.get_running_loop().call_later(RECONNECT_SECONDS, self._again, uid)

    def _again(self, uid: str) -> None:
        for pod in self.client.list("pods"):
            if uid_of(pod) == uid:
                self._look(pod)

    async def _remove_orphans(self) -> None:
        """Remove what Pods left that were deleted while no kubelet ran."""
        present = {uid_of(pod) for pod in self.client.list("pods")}
        for uid in [uid for uid in self._left_over if uid not in present]:
            with contextlib.suppress(EngineError):
                await self.runtime.remove_pod(uid)
            self._left_over.pop(uid, None)

    async def _listen(self) -> None:
        """Wake workers whose containers end."""
        labels = f"{CLUSTER_LABEL}={self.runtime.cluster}", f"{NODE_LABEL}={self.machine.name}"
        while True:
            with contextlib.suppress(EngineError):
                async for event in self.engine.events(*labels):
                    attributes = at(event, "Actor", "Attributes", default={})
                    worker = self._workers.get(attributes.get(UID_LABEL, ""))
                    if worker is not None and event.get("Action") != "start":
                        worker.wake()
            await asyncio.sleep(RECONNECT_SECONDS)
            for worker in self._workers.values():
                worker.wake()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.heartbeat_seconds)
            heartbeat(self.client, self.machine.name)
            node = self.client.get("nodes", "", self.machine.name)
            # It was taken for dead, perhaps while this process could not run.
            if node is not None and not is_true(node, "Ready"):
                with contextlib.suppress(EngineError):
                    await self._register()

    # ------------------------------------------------- what the API server asks

    def _container(self, pod: Obj, container: str) -> Container | None:
        worker = self._workers.get(uid_of(pod))
        if worker is None:
            return None
        return next((c for c in worker.containers if c.name == container), None)

    def running_container(self, pod: Obj, container: str) -> str | None:
        """The engine's id of a container that runs now."""
        state = self._container(pod, container)
        return state.id if state is not None and state.phase == RUNNING else None

    def log_source(self, pod: Obj, container: str, *, previous: bool) -> str:
        """The engine's id of the container whose log is meant. APIError (400) without one."""
        if not at(pod, "spec", "nodeName"):
            raise bad_request(f"pod {name_of(pod)} does not have a host assigned")
        state = self._container(pod, container)
        if previous:
            identity = str((state.last if state else {}).get("containerID", "")).removeprefix(
                "docker://"
            )
            if not identity:
                raise bad_request(
                    f'previous terminated container "{container}" in pod "{name_of(pod)}" not found'
                )
            return identity
        if state is None or not state.id:
            reason = state.reason if state else "ContainerCreating"
            shown = PULL_REASONS.get(reason, reason)
            raise bad_request(
                f'container "{container}" in pod "{name_of(pod)}" is waiting to start: {shown}'
            )
        return state.id
