"""One Pod's worker: from what the Pod is to what it should be, step by step."""

import asyncio
import contextlib
import logging
import time

from lab.cluster.kubelet import podstatus
from lab.cluster.kubelet.container import RUNNING, WAITING, Container
from lab.cluster.kubelet.containers import PodContainers
from lab.cluster.kubelet.engine import EngineError
from lab.cluster.kubelet.env import ConfigError
from lab.cluster.kubelet.images import status_names
from lab.cluster.kubelet.node import Node
from lab.cluster.kubelet.podstatus import is_sidecar
from lab.cluster.kubelet.runtime import ATTEMPT_LABEL, CONTAINER_LABEL, HASH_LABEL, SANDBOX
from lab.cluster.kubelet.volumes import sources
from lab.cluster.model.objects import Obj, at, epoch, is_deleting, name_of, uid_of

LOG = logging.getLogger("kubelet")
MOUNT_RETRY, ENGINE_RETRY = 1.0, 2.0
VOLUME_REFRESH = 60.0
IDLE, LOOK_AGAIN = 3600.0, 0.2


class PodWorker(PodContainers):
    """One Pod's task, from its first look at the Pod until that is gone from API and engine.

    ``left_over``: the engine's summaries of containers that an earlier process of this cluster
    started for the Pod.
    """

    def __init__(self, node: Node, pod: Obj, left_over: list[Obj]) -> None:
        super().__init__(node, pod)
        self.uid, self.left_over = uid_of(pod), left_over
        self.sandbox_attempt = 0
        self.refreshed = 0.0
        self.ended = False
        self._mount_delay = MOUNT_RETRY

    async def run(self) -> None:
        """Until the Pod is gone, or its node loses its power and this is cancelled."""
        try:
            await self._work()
        finally:
            for container in self.containers:
                self.probers.unwatch(container)

    async def _work(self) -> None:
        with contextlib.suppress(EngineError):
            await self._adopt()
        while True:
            self._wake.clear()
            self.pod = self.node.current(self.pod) or self.pod
            try:
                if self.node.current(self.pod) is None or is_deleting(self.pod):
                    await self._terminate()
                    return
                delay = await self._sync()
            except EngineError as error:
                LOG.warning("pod %s: %s", name_of(self.pod), error)
                delay = ENGINE_RETRY
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), delay)

    async def _sync(self) -> float | None:
        """One step. Seconds until the next one is due at the latest; None when none is."""
        if at(self.pod, "status", "phase") in ("Succeeded", "Failed"):
            await self._finish()
            return None
        await self._observe()
        if self._deadline_passed():
            await self._fail(
                "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"
            )
            return None
        if not await self._ensure_sandbox():
            return self._mount_delay
        delays = [await self._sync_init(), await self._refresh_volumes()]
        if delays[0] is None:
            delays.append(
                await self._sync_containers(
                    list(zip(self.pod["spec"]["containers"], self.regular, strict=True))
                )
            )
            delays.append(await self._sync_ephemeral())
        self._report()
        if at(self.pod, "status", "phase") in ("Succeeded", "Failed"):
            return 0
        delays.append(self._deadline_in())
        return min((delay for delay in delays if delay is not None), default=None)

    async def _ensure_sandbox(self) -> bool:
        """Whether the Pod has its sandbox now. What its volumes need may be missing still."""
        if self.sandbox is not None:
            return True
        if not at(self.pod, "status", "containerStatuses"):
            self._report()
        try:
            self.volumes = sources(self.node.client, self.node.tokens, self.pod)
        except ConfigError as error:
            self.node.recorder.warning(self.pod, "FailedMount", str(error))
            self._mount_delay = min(self._mount_delay * 2, 120)
            return False
        try:
            self.sandbox = await self.runtime.start_sandbox(
                self.pod, self.volumes, self.sandbox_attempt
            )
        except EngineError as error:
            self.node.recorder.warning(
                self.pod, "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}"
            )
            with contextlib.suppress(EngineError):
                await self.runtime.repair()
            self._mount_delay = ENGINE_RETRY
            return False
        self.refreshed = time.monotonic()
        self._report()
        return True

    async def _refresh_volumes(self) -> float | None:
        """Bring changed ConfigMaps and Secrets into running Pods, once a minute."""
        if all(source.files is None for source in self.volumes.values()) or self.sandbox is None:
            return None
        if time.monotonic() - self.refreshed >= VOLUME_REFRESH:
            self.refreshed = time.monotonic()
            with contextlib.suppress(ConfigError):
                fresh = sources(self.node.client, self.node.tokens, self.pod)
                changed = {
                    n: s
                    for n, s in fresh.items()
                    if s.files is not None and s.files != self.volumes[n].files
                }
                if changed:
                    with contextlib.suppress(TimeoutError):
                        await self.runtime.refresh_volumes(self.sandbox, changed)
                self.volumes = fresh
        return VOLUME_REFRESH

    async def _sync_init(self) -> float | None:
        """Run init containers one after the other. None when all are done; sidecars stay."""
        for spec, container in zip(
            self.pod["spec"].get("initContainers") or [], self.init, strict=True
        ):
            sidecar = is_sidecar(spec)
            if container.succeeded and not sidecar:
                continue
            if container.failed and self.pod["spec"]["restartPolicy"] == "Never" and not sidecar:
                self.ended = True
                return IDLE
            delay = await self._sync_containers([(spec, container)], always=True)
            if not (sidecar and container.started and container.phase == RUNNING):
                return delay if delay is not None else IDLE
        return None

    async def _sync_ephemeral(self) -> float | None:
        """Start the containers that ``kubectl debug`` has added. Each runs once."""
        specs = self.pod["spec"].get("ephemeralContainers") or []
        self.ephemeral += [Container(spec["name"]) for spec in specs[len(self.ephemeral) :]]
        waiting = [
            pair for pair in zip(specs, self.ephemeral, strict=True) if pair[1].phase == WAITING
        ]
        return await self._sync_containers(waiting)

    async def _observe(self) -> None:
        """Notice what has ended since the last look: the sandbox, or containers."""
        if self.sandbox is not None:
            state = await self._state(self.sandbox.id)
            if state is None or not state.get("Running"):
                self.node.recorder.normal(
                    self.pod,
                    "SandboxChanged",
                    "Pod sandbox changed, it will be killed and re-created.",
                )
                await self.engine.remove(self.sandbox.id)
                self.sandbox, self.sandbox_attempt = None, self.sandbox_attempt + 1
                await self._lost_sandbox()
        for container in self.containers:
            if container.phase == RUNNING:
                state = await self._state(container.id)
                if state is None or not state.get("Running"):
                    await self._ended(
                        container, state or {"ExitCode": 137, "StartedAt": container.started_at}
                    )

    async def _lost_sandbox(self) -> None:
        for container in self.containers:
            if container.phase == RUNNING:
                await self.engine.stop(container.id, 0)

    async def _terminate(self) -> None:
        """End the Pod: its containers, its sandbox, its volumes, and then the object."""
        if self.node.current(self.pod) is not None:
            self._report()
        stopping = asyncio.ensure_future(self._stop_all())
        try:
            await self._until(stopping)
        finally:
            stopping.cancel()
        self.ended = True
        had_sandbox, self.sandbox = self.sandbox, None
        if self.node.current(self.pod) is not None and had_sandbox:
            self._report(sandbox_ready=True)
        await self._remove_all()
        if (left := self.node.current(self.pod)) is not None:
            self._report()
            self.node.client.delete("pods", left, grace=0, propagation=None)

    async def _until(self, stopping: asyncio.Future[None]) -> None:
        """Until all containers have stopped; what outlasts the Pod's grace is killed."""
        while not stopping.done():
            woken = asyncio.ensure_future(self._wake.wait())
            await asyncio.wait(
                (stopping, woken),
                return_when=asyncio.FIRST_COMPLETED,
                timeout=self._grace_left() or LOOK_AGAIN,
            )
            woken.cancel()
            self._wake.clear()
            for container in (
                self.containers if not self._grace_left() and not stopping.done() else ()
            ):
                if container.phase == RUNNING:
                    await self.engine.kill(container.id)
        with contextlib.suppress(EngineError):
            await stopping

    def _grace_left(self) -> float:
        """Seconds until what still runs is killed; a second deletion may have made them fewer."""
        current = self.node.current(self.pod)
        if current is None or not current["metadata"].get("deletionGracePeriodSeconds"):
            return 0.0
        # The engine is the first to kill: a timestamp has whole seconds.
        return max(0.0, epoch(current["metadata"]["deletionTimestamp"]) + 1 - time.time())

    async def _stop_all(self) -> None:
        grace = int(
            self.pod["metadata"].get(
                "deletionGracePeriodSeconds",
                self.pod["spec"].get("terminationGracePeriodSeconds", 30),
            )
        )
        began = time.monotonic()
        running = [container for container in self.containers if container.phase == RUNNING]
        sidecars = [container for container in reversed(running) if container in self.init]
        await asyncio.gather(
            *(self._stop(container, grace) for container in running if container not in sidecars)
        )
        for container in sidecars:  # they are there for the others to the end
            await self._stop(container, max(0, grace - int(time.monotonic() - began)))

    async def _stop(self, container: Container, grace: int) -> None:
        await self._kill(
            self._spec(container), container, f"Stopping container {container.name}", grace
        )

    async def _remove_all(self) -> None:
        """Leave nothing on the engine, however often it must be asked."""
        for delay in (0.5, 1, 2, 4, 8, 16, 32, 0):
            try:
                await self.runtime.remove_pod(self.uid)
            except EngineError as error:
                LOG.warning(
                    "pod %s: what it left on the engine cannot be removed yet: %s",
                    name_of(self.pod),
                    error,
                )
                await asyncio.sleep(delay)
            else:
                return

    async def _finish(self) -> None:
        """A Pod that has completed keeps its containers, for their logs, and nothing that runs."""
        for container in self.containers:
            if container.phase == RUNNING:
                await self._kill(self._spec(container), container, "")
        if self.sandbox is not None:
            await self.engine.stop(self.sandbox.id, 1)
            self.sandbox = None
            self._report()

    async def _fail(self, reason: str, message: str) -> None:
        await asyncio.gather(
            *(
                self._kill(self._spec(k), k, f"Stopping container {k.name}")
                for k in self.regular
                if k.phase == RUNNING
            )
        )
        status = {
            **(self.pod.get("status") or {}),
            "phase": "Failed",
            "reason": reason,
            "message": message,
        }
        self.node.client.set_status("pods", self.pod, status)
        self.wake()

    def _deadline_in(self) -> float | None:
        """Seconds until the Pod's active deadline passes (at least 0.1); None without one."""
        limit, started = self._deadline()
        return None if limit is None else max(0.1, limit - (time.time() - epoch(started)))

    def _deadline_passed(self) -> bool:
        limit, started = self._deadline()
        return limit is not None and time.time() - epoch(started) >= limit

    def _deadline(self) -> tuple[float | None, str]:
        """The Pod's activeDeadlineSeconds, and since when they count; None while they do not."""
        started = at(self.pod, "status", "startTime", default="")
        limit = self.pod["spec"].get("activeDeadlineSeconds") if started else None
        return limit, started

    def _report(self, *, sandbox_ready: bool | None = None) -> None:
        """Write the Pod's status, if it changed."""
        self.pod = self.node.current(self.pod) or self.pod
        ready = self.sandbox is not None if sandbox_ready is None else sandbox_ready
        address = (
            self.sandbox.address if self.sandbox else at(self.pod, "status", "podIP", default="")
        )
        # A Pod that may not start leads no one to the node.
        if self.pod["spec"].get("hostNetwork") and self.sandbox:
            address = self.node.address
        status = podstatus.pod_status(
            self.pod,
            self.init,
            self.regular,
            self.ephemeral,
            sandbox_ready=ready,
            address=address,
            host=self.node.address,
            ended=self.ended,
        )
        if at(self.pod, "status", "phase") in ("Succeeded", "Failed"):
            kept = {
                key: self.pod["status"][key]
                for key in ("phase", "reason", "message")
                if key in self.pod["status"]
            }
            status |= kept
        self.pod = self.node.client.set_status("pods", self.pod, status) or self.pod

    async def _adopt(self) -> None:
        """Take over what an earlier process of this cluster left running."""
        for summary in sorted(self.left_over, key=_attempt):
            name, attempt = summary["Labels"][CONTAINER_LABEL], _attempt(summary)
            if name == SANDBOX:
                self.sandbox_attempt = attempt + 1
                if summary["State"] == "running":
                    self.sandbox = await self.runtime.sandbox(summary["Id"])
                continue
            container = next((c for c in self.containers if c.name == name), None)
            if container is not None:
                await self._adopt_container(container, summary, attempt)
        with contextlib.suppress(ConfigError):
            self.volumes = sources(self.node.client, self.node.tokens, self.pod)
            # What is in them now is unsure: the first look brings them up to date.
            for source in self.volumes.values():
                source.files = {} if source.files is not None else None

    async def _adopt_container(self, container: Container, summary: Obj, attempt: int) -> None:
        if container.id:
            container.last = container.terminated
        container.before = container.id
        container.id, container.restarts = summary["Id"], attempt
        container.hash = summary["Labels"].get(HASH_LABEL, "")
        details = await self.engine.inspect(container.id)
        image = await self.engine.image(details["Image"]) or {"Id": details["Image"]}
        container.image, container.image_id = status_names(self._spec(container)["image"], image)
        container.started_at = podstatus.engine_time(details["State"].get("StartedAt"))
        if details["State"].get("Running"):
            container.phase = RUNNING
            self._watch(self._spec(container), container)
        else:
            await self._ended(container, details["State"])


def _attempt(summary: Obj) -> int:
    """Which start of the container it is, by the label that it was created with."""
    return int(summary["Labels"].get(ATTEMPT_LABEL, 0))
