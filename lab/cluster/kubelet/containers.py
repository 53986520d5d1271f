"""The containers of one Pod: each started when it is due, watched by its probes, stopped, and
started again after a while.
"""

import asyncio
import time
from typing import TYPE_CHECKING, cast

from lab.cluster.kubelet import podstatus
from lab.cluster.kubelet.engine import EngineError
from lab.cluster.kubelet.env import ConfigError, environment
from lab.cluster.kubelet.images import ImageError, Notify, status_names
from lab.cluster.kubelet.podstatus import RUNNING, TERMINATED, WAITING, Container
from lab.cluster.kubelet.probes import ProbeError, Prober, check, run_hook
from lab.cluster.kubelet.runtime import Sandbox, container_hash
from lab.cluster.kubelet.terminationlog import read as termination_message
from lab.cluster.kubelet.volumes import Source
from lab.cluster.model.objects import Obj, at, epoch, name_of, namespace_of, now, uid_of

if TYPE_CHECKING:
    from lab.cluster.kubelet.kubelet import Kubelet

FIRST_BACKOFF, LONGEST_BACKOFF, FORGIVEN = (
    1.0,
    60.0,
    600.0,
)  # seconds between restarts of a container that keeps ending
NOT_STARTED = "RunContainerError"
PULL_BACKOFF = (14.0, 20.0, 40.0, 80.0, 160.0, 300.0)
FIRST_CONFIG_RETRY, CONFIG_RETRY = 1.0, 10.0


class _Notices:
    """Events about one container, held back until it is its turn."""

    def __init__(self, pod: "PodContainers", field: str) -> None:
        self.pod, self.field = pod, field
        self.held: list[tuple[str, str, str]] | None = []

    def __call__(self, kind: str, reason: str, message: str) -> None:
        if self.held is not None:
            self.held.append((kind, reason, message))
            return
        recorder = self.pod.kubelet.recorder
        (recorder.normal if kind == "Normal" else recorder.warning)(
            self.pod.pod, reason, message, self.field
        )

    def release(self) -> None:
        held, self.held = self.held or [], None
        for notice in held:
            self(*notice)


class PodContainers:
    """What is known of a Pod's containers, and what can be done with them."""

    def __init__(self, kubelet: "Kubelet", pod: Obj) -> None:
        self.kubelet, self.runtime, self.engine = kubelet, kubelet.runtime, kubelet.engine
        self.pod = pod
        self.init = [
            Container(c["name"], reason="PodInitializing")
            for c in pod["spec"].get("initContainers") or []
        ]
        reason = "PodInitializing" if self.init else "ContainerCreating"
        self.regular = [Container(c["name"], reason=reason) for c in pod["spec"]["containers"]]
        self.ephemeral = [
            Container(c["name"]) for c in pod["spec"].get("ephemeralContainers") or []
        ]
        self.sandbox: Sandbox | None = None
        self.volumes: dict[str, Source] = {}
        self.probers: dict[str, list[Prober]] = {}
        self.unhealthy: set[str] = set()
        self._wake = asyncio.Event()

    @property
    def containers(self) -> list[Container]:
        """All of them: init, regular, ephemeral."""
        return [*self.init, *self.regular, *self.ephemeral]

    async def _sync_containers(
        self, listed: list[tuple[Obj, Container]], *, always: bool = False
    ) -> float | None:
        """Start those containers that are due. Seconds until the next one is, or None.

        Images are fetched and containers created side by side; they start, and their events are
        told, one after the other.
        """
        due, delays = [], []
        for spec, known in listed:
            left = await self._due(spec, known, always)
            if left is not None and left <= 0:
                due.append((spec, known, _Notices(self, self._field(known))))
            elif left is not None:
                delays.append(left)
        prepared = [
            asyncio.ensure_future(self._prepare(spec, known, notices))
            for spec, known, notices in due
        ]
        try:
            for (spec, known, notices), preparing in zip(due, prepared, strict=True):
                notices.release()
                result = await preparing
                wait = (
                    result
                    if isinstance(result, float)
                    else await self._launch(spec, known, result, notices)
                )
                if wait is not None:
                    delays.append(wait)
        finally:
            for preparing in prepared:
                preparing.cancel()
        return min(delays, default=None)

    async def _due(self, spec: Obj, known: Container, always: bool) -> float | None:
        """Seconds until the container is to be started: 0 now, None not at all. One that must not
        go on as it is is stopped.
        """
        if known.phase == RUNNING:
            if known.hash != container_hash(spec):
                await self._kill(
                    spec, known, f"Container {known.name} definition changed, will be restarted"
                )
                known.retry_at = 0.0
                return 0.0
            if known.name not in self.unhealthy:
                return None
            self.unhealthy.discard(known.name)
            await self._kill(
                spec,
                known,
                f"Container {known.name} failed {self._why_unhealthy(spec, known)}, will be"
                " restarted",
            )
            if self._wants_restart(known, always) and self._in_backoff(known):
                self._show_backoff(known)
        if known.phase == TERMINATED and not self._wants_restart(known, always):
            return None
        left = known.retry_at - time.monotonic()
        ended = known.phase == TERMINATED or (
            known.phase == WAITING and known.reason == NOT_STARTED
        )
        if left <= 0 and ended and known.delay > FIRST_BACKOFF:
            self._show_backoff(known)
            self._report()
        return max(0.0, left)

    def _why_unhealthy(self, spec: Obj, known: Container) -> str:
        return (
            "startup probe" if spec.get("startupProbe") and not known.started else "liveness probe"
        )

    def _wants_restart(self, known: Container, always: bool) -> bool:
        policy = self.pod["spec"]["restartPolicy"]
        return always or policy == "Always" or (policy == "OnFailure" and known.failed)

    def _in_backoff(self, known: Container) -> bool:
        return known.retry_at > time.monotonic()

    def _show_backoff(self, known: Container) -> None:
        """Between two starts a container waits: its status says why."""
        who = f"{name_of(self.pod)}_{namespace_of(self.pod)}({uid_of(self.pod)})"
        wait = f"{known.delay / 2:g}s" if known.delay > FIRST_BACKOFF else f"{FIRST_BACKOFF:g}s"
        known.last = known.terminated or known.last
        known.phase, known.reason = WAITING, "CrashLoopBackOff"
        known.message = f"back-off {wait} restarting failed container={known.name} pod={who}"
        self.kubelet.recorder.warning(
            self.pod,
            "BackOff",
            f"Back-off restarting failed container {known.name} in pod {who}",
            self._field(known),
        )

    def _schedule_restart(self, known: Container, ran: float = 0.0) -> None:
        """The first restart is at once; each later one after twice the time, unless the container
        ran for long enough (seconds).
        """
        if ran > FORGIVEN:
            known.delay = 0.0
        known.retry_at = time.monotonic() + known.delay if known.delay else 0.0
        known.delay = min(max(known.delay * 2, FIRST_BACKOFF), LONGEST_BACKOFF)

    def _list_of(self, known: Container) -> str:
        """The field of the Pod's spec that has the container."""
        listed = {
            "initContainers": self.init,
            "containers": self.regular,
            "ephemeralContainers": self.ephemeral,
        }
        return next(name for name, some in listed.items() if known in some)

    def _field(self, known: Container) -> str:
        return f"spec.{self._list_of(known)}{{{known.name}}}"

    async def _prepare(
        self, spec: Obj, known: Container, notify: Notify
    ) -> "float | tuple[Obj, str]":
        """Fetch the image and create the container: image and id. Seconds until the next try when
        that fails.
        """
        sandbox = cast(Sandbox, self.sandbox)
        try:
            image = await self.kubelet.images.ensure(spec["image"], spec["imagePullPolicy"], notify)
            env = environment(self.kubelet.client, self.pod_with_address(), spec)
            attempt = known.restarts + 1 if known.id else known.restarts
            target = next(
                (c.id for c in self.regular if c.name == spec.get("targetContainerName")), ""
            )
            identity = await self.runtime.create_container(
                self.pod, spec, image, sandbox, self.volumes, env, attempt, target
            )
        except ImageError as error:
            return self._image_failed(known, error, spec["image"], notify)
        except (ConfigError, EngineError) as error:
            reason = (
                "CreateContainerConfigError"
                if isinstance(error, ConfigError)
                else "CreateContainerError"
            )
            delay = CONFIG_RETRY if known.reason == reason else FIRST_CONFIG_RETRY
            self._wait(known, reason, str(error))
            notify("Warning", "Failed", f"Error: {error}")
            known.retry_at = time.monotonic() + delay
            return delay
        notify("Normal", "Created", "Container created")
        return image, identity

    def pod_with_address(self) -> Obj:
        """The Pod, its address included even before its status is written."""
        address = self.sandbox.address if self.sandbox else ""
        host = self.kubelet.address
        return self.pod | {
            "status": {**(self.pod.get("status") or {}), "podIP": address, "hostIP": host}
        }

    def _image_failed(
        self, known: Container, error: ImageError, image: str, notify: Notify
    ) -> float:
        known.attempts += 1
        first = known.attempts == 1 or error.reason != "ErrImagePull"
        notify("Warning", "Failed", f"Error: {error.reason}")
        if error.reason == "ErrImagePull":
            notify("Normal", "BackOff", f'Back-off pulling image "{image}"')
            notify("Warning", "Failed", "Error: ImagePullBackOff")
        if first:
            self._wait(known, error.reason, error.message)
        else:
            self._wait(
                known,
                "ImagePullBackOff",
                f'Back-off pulling image "{image}": ErrImagePull: {error.message}',
            )
        delay = PULL_BACKOFF[min(known.attempts, len(PULL_BACKOFF)) - 1]
        known.retry_at = time.monotonic() + delay
        return delay

    def _wait(self, known: Container, reason: str, message: str) -> None:
        known.last = known.terminated or known.last
        known.terminated = {}
        known.phase, known.reason, known.message = WAITING, reason, message

    async def _launch(
        self, spec: Obj, known: Container, prepared: tuple[Obj, str], notify: Notify
    ) -> float | None:
        """Start a container that has been created. Seconds until the next try when that fails."""
        image, identity = prepared
        outdated, known.before = known.before, known.id
        known.restarts += 1 if known.id else 0
        known.last = known.terminated or known.last
        known.id, known.hash, known.attempts = identity, container_hash(spec), 0
        known.image, known.image_id = status_names(spec["image"], image)
        if outdated:
            await self.engine.remove(outdated)
        try:
            await self.engine.start(identity)
        except EngineError as error:
            return self._start_failed(known, identity, str(error), notify)
        notify("Normal", "Started", "Container started")
        known.phase, known.message, known.terminated, known.started_at = RUNNING, "", {}, now()
        await self._post_start(spec, known)
        if known.phase == RUNNING:
            self._watch(spec, known)
        return None

    def _start_failed(
        self, known: Container, identity: str, error: str, notify: Notify
    ) -> float | None:
        why = podstatus.start_error(error)
        notify("Warning", "Failed", f"Error: {why}")
        known.phase = TERMINATED
        known.terminated = {
            "exitCode": 128,
            "reason": "StartError",
            "message": why,
            "startedAt": "1970-01-01T00:00:00Z",
            "finishedAt": now(),
            "containerID": f"docker://{identity}",
        }
        if known in self.ephemeral or not self._wants_restart(
            known, podstatus.is_sidecar(self._spec(known))
        ):
            return None
        self._schedule_restart(known)
        self._wait(known, NOT_STARTED, why)
        return max(0.0, known.retry_at - time.monotonic())

    async def _post_start(self, spec: Obj, known: Container) -> None:
        hook = at(spec, "lifecycle", "postStart")
        if not hook:
            return
        try:
            await run_hook(
                self.engine,
                known.id,
                spec,
                hook,
                self.sandbox.address if self.sandbox else "",
                3600,
            )
        except ProbeError:  # its text may hold secrets: it is not told
            self.kubelet.recorder.warning(
                self.pod, "FailedPostStartHook", "PostStartHook failed", self._field(known)
            )
            await self._kill(spec, known, "FailedPostStartHook")

    def _watch(self, spec: Obj, known: Container) -> None:
        """Begin the probes of a container that runs now."""
        self._unwatch(known)
        known.started = not spec.get("startupProbe")
        known.ready = known.started and not spec.get("readinessProbe")
        kinds = ["startup"] if spec.get("startupProbe") else ["liveness", "readiness"]
        self.probers[known.name] = [
            self._prober(kind, spec, known) for kind in kinds if spec.get(f"{kind}Probe")
        ]

    def _prober(self, kind: str, spec: Obj, known: Container) -> Prober:
        probe, identity = spec[f"{kind}Probe"], known.id
        address = self.sandbox.address if self.sandbox else ""
        if self.pod["spec"].get("hostNetwork"):
            address = "127.0.0.1"

        def changed(kind: str, ok: bool) -> None:
            self._probed(kind, ok, spec, known)

        def failed(kind: str, why: str) -> None:
            self.kubelet.recorder.warning(
                self.pod,
                "Unhealthy",
                f"{kind.capitalize()} probe failed: {why}",
                self._field(known),
            )

        return Prober(
            kind, lambda: check(self.engine, identity, spec, probe, address), probe, changed, failed
        )

    def _probed(self, kind: str, ok: bool, spec: Obj, known: Container) -> None:
        if known.phase != RUNNING:
            return
        if kind == "readiness":
            known.ready = ok
        elif not ok:
            self.unhealthy.add(known.name)
        elif kind == "startup":
            known.started = True
            known.ready = not spec.get("readinessProbe")
            later = [
                self._prober(k, spec, known)
                for k in ("liveness", "readiness")
                if spec.get(f"{k}Probe")
            ]
            self.probers[known.name] = later
        self.wake()

    def _unwatch(self, known: Container) -> None:
        for prober in self.probers.pop(known.name, []):
            prober.stop()

    async def _state(self, identity: str) -> Obj | None:
        try:
            found: Obj = (await self.engine.inspect(identity))["State"]
        except EngineError as error:
            if error.status == 404:
                return None
            raise
        return found

    async def _ended(self, known: Container, state: Obj) -> None:
        self._unwatch(known)
        spec = self._spec(known)
        message = await termination_message(
            self.engine, known.id, spec, failed=bool(state.get("ExitCode"))
        )
        known.phase, known.ready, known.started = TERMINATED, False, False
        known.terminated = podstatus.terminated(state, known.id, message)
        self._schedule_restart(known, time.time() - epoch(known.terminated["startedAt"]))

    def _spec(self, known: Container) -> Obj:
        found: Obj = next(
            c for c in self.pod["spec"][self._list_of(known)] if c["name"] == known.name
        )
        return found

    async def _kill(self, spec: Obj, known: Container, why: str, grace: int | None = None) -> None:
        """Stop one container: its preStop hook, then SIGTERM, then SIGKILL."""
        self._unwatch(known)
        if why:
            self.kubelet.recorder.normal(self.pod, "Killing", why, self._field(known))
        if grace is None:
            grace = int(self.pod["spec"].get("terminationGracePeriodSeconds", 30))
        began = time.monotonic()
        hook = at(spec, "lifecycle", "preStop")
        if hook and grace > 0:
            try:
                await run_hook(
                    self.engine,
                    known.id,
                    spec,
                    hook,
                    self.sandbox.address if self.sandbox else "",
                    grace,
                )
            except ProbeError:
                self.kubelet.recorder.warning(
                    self.pod, "FailedPreStopHook", "PreStopHook failed", self._field(known)
                )
        left = max(0, grace - int(time.monotonic() - began))
        await self.engine.stop(known.id, left)
        await self._ended(
            known, await self._state(known.id) or {"ExitCode": 137, "StartedAt": known.started_at}
        )

    def wake(self) -> None:
        self._wake.set()

    def _report(self, *, sandbox_ready: bool | None = None) -> None:
        """Write the Pod's status, if it changed."""
        raise NotImplementedError
