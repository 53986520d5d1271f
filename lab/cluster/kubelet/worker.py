"""One Pod's worker: looks at what the Pod should be and at what its containers are, and makes the
next step, again and again.
"""

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from lab.cluster.kubelet import podstatus
from lab.cluster.kubelet.containers import PodContainers
from lab.cluster.kubelet.engine import EngineError
from lab.cluster.kubelet.env import ConfigError
from lab.cluster.kubelet.images import status_names
from lab.cluster.kubelet.podstatus import RUNNING, WAITING, Container, is_sidecar
from lab.cluster.kubelet.runtime import ATTEMPT_LABEL, CONTAINER_LABEL, HASH_LABEL, SANDBOX
from lab.cluster.kubelet.volumes import sources
from lab.cluster.model.objects import Obj, at, epoch, is_deleting, name_of, uid_of

if TYPE_CHECKING:
    from lab.cluster.kubelet.kubelet import Kubelet

LOG = logging.getLogger("kubelet")
MOUNT_RETRY, ENGINE_RETRY = 1.0, 2.0
VOLUME_REFRESH = 60.0
IDLE, LOOK_AGAIN = 3600.0, 0.2


class PodWorker(PodContainers):
    """Runs as one task until its Pod is gone from the API and from the engine."""

    def __init__(self, kubelet: "Kubelet", pod: Obj) -> None:
        super().__init__(kubelet, pod)
        self.uid = uid_of(pod)
        self.sandbox_attempt = 0
        self.refreshed = 0.0
        self.ended = False
        self._mount_delay = MOUNT_RETRY

    async def run(self) -> None:
        with contextlib.suppress(EngineError):
            await self._adopt()
        while True:
            self._wake.clear()
            self.pod = self.kubelet.current(self.pod) or self.pod
            try:
                if self.kubelet.current(self.pod) is None or is_deleting(self.pod):
                    await self._terminate()
                    return
                delay = await self._sync()
            except EngineError as error:
                LOG.warning("pod %s: %s", name_of(self.pod), error)
                delay = ENGINE_RETRY
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), delay)

    async def _sync(self) -> float | None:
        """One step. Seconds until the next one is due even if nothing happens; None when nothing
        is.
        """
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
            self.volumes = sources(self.kubelet.client, self.kubelet, self.pod)
        except ConfigError as error:
            self.kubelet.recorder.warning(self.pod, "FailedMount", str(error))
            self._mount_delay = min(self._mount_delay * 2, 120)
            return False
        try:
            self.sandbox = await self.runtime.start_sandbox(
                self.pod, self.volumes, self.sandbox_attempt
            )
        except EngineError as error:
            self.kubelet.recorder.warning(
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
                fresh = sources(self.kubelet.client, self.kubelet, self.pod)
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
        for spec, known in zip(
            self.pod["spec"].get("initContainers") or [], self.init, strict=True
        ):
            sidecar = is_sidecar(spec)
            if known.succeeded and not sidecar:
                continue
            if known.failed and self.pod["spec"]["restartPolicy"] == "Never" and not sidecar:
                self.ended = True
                return IDLE
            delay = await self._sync_containers([(spec, known)], always=True)
            if not (sidecar and known.started and known.phase == RUNNING):
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
                self.kubelet.recorder.normal(
                    self.pod,
                    "SandboxChanged",
                    "Pod sandbox changed, it will be killed and re-created.",
                )
                await self.engine.remove(self.sandbox.id)
                self.sandbox, self.sandbox_attempt = None, self.sandbox_attempt + 1
                await self._lost_sandbox()
        for known in self.containers:
            if known.phase == RUNNING:
                state = await self._state(known.id)
                if state is None or not state.get("Running"):
                    await self._ended(
                        known, state or {"ExitCode": 137, "StartedAt": known.started_at}
                    )

    async def _lost_sandbox(self) -> None:
        for known in self.containers:
            if known.phase == RUNNING:
                await self.engine.stop(known.id, 0)

    async def _terminate(self) -> None:
        """End the Pod: its containers, its sandbox, its volumes, and then the object."""
        if self.kubelet.current(self.pod) is not None:
            self._report()
        stopping = asyncio.ensure_future(self._stop_all())
        while not stopping.done():
            woken = asyncio.ensure_future(self._wake.wait())
            await asyncio.wait(
                (stopping, woken),
                return_when=asyncio.FIRST_COMPLETED,
                timeout=self._grace_left() or LOOK_AGAIN,
            )
            woken.cancel()
            self._wake.clear()
            for known in self.containers if not self._grace_left() and not stopping.done() else ():
                if known.phase == RUNNING:
                    await self.engine.kill(known.id)
        with contextlib.suppress(EngineError):
            await stopping
        self.ended = True
        had_sandbox, self.sandbox = self.sandbox, None
        if self.kubelet.current(self.pod) is not None and had_sandbox:
            self._report(sandbox_ready=True)
        await self._remove_all()
        if (left := self.kubelet.current(self.pod)) is not None:
            self._report()
            self.kubelet.client.delete("pods", left, grace=0, propagation=None)

    def _grace_left(self) -> float:
        """Seconds until what still runs is killed; a second deletion may have made them fewer."""
        current = self.kubelet.current(self.pod)
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
        running = [known for known in self.containers if known.phase == RUNNING]
        sidecars = [known for known in reversed(running) if known in self.init]
        await asyncio.gather(
            *(self._stop(known, grace) for known in running if known not in sidecars)
        )
        for known in sidecars:  # they are there for the others to the end
            await self._stop(known, max(0, grace - int(time.monotonic() - began)))

    async def _stop(self, known: Container, grace: int) -> None:
        await self._kill(self._spec(known), known, f"Stopping container {known.name}", grace)

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
        for known in self.containers:
            if known.phase == RUNNING:
                await self._kill(self._spec(known), known, "")
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
        self.kubelet.client.set_status("pods", self.pod, status)
        self.wake()

    def _deadline_in(self) -> float | None:
        limit, started = (
            self.pod["spec"].get("activeDeadlineSeconds"),
            at(self.pod, "status", "startTime"),
        )
        return (
            None
            if limit is None or not started
            else max(0.1, limit - (time.time() - epoch(started)))
        )

    def _deadline_passed(self) -> bool:
        limit, started = (
            self.pod["spec"].get("activeDeadlineSeconds"),
            at(self.pod, "status", "startTime"),
        )
        return limit is not None and bool(started) and time.time() - epoch(started) >= limit

    def _report(self, *, sandbox_ready: bool | None = None) -> None:
        """Write the Pod's status, if it changed."""
        self.pod = self.kubelet.current(self.pod) or self.pod
        ready = self.sandbox is not None if sandbox_ready is None else sandbox_ready
        address = (
            self.sandbox.address if self.sandbox else at(self.pod, "status", "podIP", default="")
        )
        if (
            self.pod["spec"].get("hostNetwork") and self.sandbox
        ):  # one that may not start leads nobody to the node
            address = self.kubelet.address
        status = podstatus.pod_status(
            self.pod,
            self.init,
            self.regular,
            self.ephemeral,
            sandbox_ready=ready,
            address=address,
            host=self.kubelet.address,
            ended=self.ended,
        )
        if at(self.pod, "status", "phase") in ("Succeeded", "Failed"):
            kept = {
                key: self.pod["status"][key]
                for key in ("phase", "reason", "message")
                if key in self.pod["status"]
            }
            status |= kept
        self.pod = self.kubelet.client.set_status("pods", self.pod, status) or self.pod

    async def _adopt(self) -> None:
        """Take over what an earlier process of this cluster left running."""
        for summary in sorted(
            self.kubelet.left_over.pop(self.uid, []),
            key=lambda c: int(c["Labels"].get(ATTEMPT_LABEL, 0)),
        ):
            name, attempt = (
                summary["Labels"][CONTAINER_LABEL],
                int(summary["Labels"].get(ATTEMPT_LABEL, 0)),
            )
            if name == SANDBOX:
                self.sandbox_attempt = attempt + 1
                if summary["State"] == "running":
                    self.sandbox = await self.runtime.sandbox(summary["Id"])
                continue
            known = next((c for c in self.containers if c.name == name), None)
            if known is not None:
                await self._adopt_container(known, summary, attempt)
        with contextlib.suppress(ConfigError):
            self.volumes = sources(self.kubelet.client, self.kubelet, self.pod)
            for source in (
                self.volumes.values()
            ):  # what is in them now is not known: it is brought up to date at the first look
                source.files = {} if source.files is not None else None

    async def _adopt_container(self, known: Container, summary: Obj, attempt: int) -> None:
        if known.id:
            known.last = known.terminated
        known.before = known.id
        known.id, known.restarts, known.hash = (
            summary["Id"],
            attempt,
            summary["Labels"].get(HASH_LABEL, ""),
        )
        found = await self.engine.inspect(known.id)
        image = await self.engine.image(found["Image"]) or {"Id": found["Image"]}
        known.image, known.image_id = status_names(self._spec(known)["image"], image)
        known.started_at = podstatus.engine_time(found["State"].get("StartedAt"))
        if found["State"].get("Running"):
            known.phase = RUNNING
            self._watch(self._spec(known), known)
        else:
            await self._ended(known, found["State"])
