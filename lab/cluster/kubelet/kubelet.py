"""The kubelet itself: registers the node, keeps a worker for each Pod assigned to it, and listens
to the engine.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from lab.cluster.kubelet.engine import EngineError
from lab.cluster.kubelet.images import Images
from lab.cluster.kubelet.node import heartbeat, register
from lab.cluster.kubelet.podstatus import RUNNING, Container
from lab.cluster.kubelet.runtime import CLUSTER_LABEL, UID_LABEL, Runtime
from lab.cluster.kubelet.volumes import TokenSource
from lab.cluster.kubelet.worker import PodWorker
from lab.cluster.model.errors import bad_request
from lab.cluster.model.objects import Obj, at, name_of, namespace_of, uid_of
from lab.cluster.registry.client import Client
from lab.cluster.registry.events import Recorder

LOG = logging.getLogger("kubelet")
HEARTBEAT_SECONDS = 10.0
RECONNECT_SECONDS = 1.0
RENEWED = 0.8  # of a token's time


class Kubelet(TokenSource):
    def __init__(
        self,
        client: Client,
        runtime: Runtime,
        node: str,
        address: str,
        make_token: Callable[[Obj, int, str], str],
    ) -> None:
        self.client, self.runtime, self.engine = client, runtime, runtime.engine
        self.node, self.address = node, address
        self.recorder = Recorder(client, "kubelet", node)
        self.images = Images(runtime.engine)
        self.left_over: dict[str, list[Obj]] = {}
        self._make_token = make_token
        self._tokens: dict[
            str, dict[tuple[int, str], tuple[float, str]]
        ] = {}  # by Pod, lifetime and audience
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def token(self, pod: Obj, seconds: int, audience: str) -> str:
        """The Pod's token; another one when four fifths of its time are over."""
        known = self._tokens.setdefault(uid_of(pod), {})
        made, token = known.get((seconds, audience), (0.0, ""))
        if time.time() - made > RENEWED * seconds:
            made, token = known[seconds, audience] = (
                time.time(),
                self._make_token(pod, seconds, audience),
            )
        return token

    def current(self, pod: Obj) -> Obj | None:
        """The Pod as the API has it now; None when it, and not merely one of its name, is gone."""
        found = self.client.get("pods", namespace_of(pod), name_of(pod))
        return found if found is not None and uid_of(found) == uid_of(pod) else None

    async def run(self) -> None:
        """Until cancelled. The node is registered first."""
        await register(self.client, self.engine, self.node, self.address)
        self.left_over = await self.runtime.pods()
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
            for task in (listening, beating, *self._tasks.values()):
                task.cancel()

    def _look(self, pod: Obj) -> None:
        """Wake the Pod's worker; begin one for a Pod that is this node's."""
        uid = uid_of(pod)
        worker = self._workers.get(uid)
        if worker is not None:
            worker.wake()
        elif at(pod, "spec", "nodeName") == self.node and self.current(pod) is not None:
            worker = self._workers[uid] = PodWorker(self, pod)
            task = self._tasks[uid] = asyncio.ensure_future(worker.run())
            task.add_done_callback(lambda done: self._ended(uid, done))

    def _ended(self, uid: str, task: asyncio.Task[None]) -> None:
        for known in (self._workers, self._tasks, self._tokens):
            known.pop(uid, None)
        if not task.cancelled() and task.exception() is not None:
            LOG.error("the worker of pod %s failed", uid, exc_info=task.exception())
            asyncio.get_running_loop().call_later(RECONNECT_SECONDS, self._again, uid)

    def _again(self, uid: str) -> None:
        for pod in self.client.list("pods"):
            if uid_of(pod) == uid:
                self._look(pod)

    async def _remove_orphans(self) -> None:
        """Remove what Pods left that were deleted while no kubelet ran."""
        known = {uid_of(pod) for pod in self.client.list("pods")}
        for uid in [uid for uid in self.left_over if uid not in known]:
            with contextlib.suppress(EngineError):
                await self.runtime.remove_pod(uid)
            self.left_over.pop(uid, None)

    async def _listen(self) -> None:
        """Wake workers whose containers end."""
        while True:
            with contextlib.suppress(EngineError):
                async for event in self.engine.events(f"{CLUSTER_LABEL}={self.runtime.cluster}"):
                    worker = self._workers.get(
                        event.get("Actor", {}).get("Attributes", {}).get(UID_LABEL, "")
                    )
                    if worker is not None and event.get("Action") != "start":
                        worker.wake()
            await asyncio.sleep(RECONNECT_SECONDS)
            for worker in self._workers.values():
                worker.wake()

    async def _beat(self) -> None:
        while True:
            heartbeat(self.client, self.node)
            await asyncio.sleep(HEARTBEAT_SECONDS)

    # ------------------------------------------------- what the API server asks

    def _known(self, pod: Obj, container: str) -> Container | None:
        worker = self._workers.get(uid_of(pod))
        if worker is None:
            return None
        return next((c for c in worker.containers if c.name == container), None)

    def running_container(self, pod: Obj, container: str) -> str | None:
        """The engine's id of a container that runs now."""
        known = self._known(pod, container)
        return known.id if known is not None and known.phase == RUNNING else None

    def log_source(self, pod: Obj, container: str, *, previous: bool) -> str:
        """The engine's id of the container whose log is meant. APIError (400) while there is
        none.
        """
        if not at(pod, "spec", "nodeName"):
            raise bad_request(f"pod {name_of(pod)} does not have a host assigned")
        known = self._known(pod, container)
        if previous:
            identity = str((known.last if known else {}).get("containerID", "")).removeprefix(
                "docker://"
            )
            if not identity:
                raise bad_request(
                    f'previous terminated container "{container}" in pod "{name_of(pod)}" not found'
                )
            return identity
        if known is None or not known.id:
            reason = known.reason if known else "ContainerCreating"
            shown = {
                "ErrImagePull": "image can't be pulled",
                "ImagePullBackOff": "trying and failing to pull image",
            }.get(reason, reason)
            raise bad_request(
                f'container "{container}" in pod "{name_of(pod)}" is waiting to start: {shown}'
            )
        return known.id
