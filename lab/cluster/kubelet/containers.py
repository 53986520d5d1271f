"""The containers of one Pod: started when due, probed, stopped, started again."""

import asyncio
import time
from typing import cast

from lab.cluster.kubelet import podstatus
from lab.cluster.kubelet.container import FIRST_BACKOFF, RUNNING, TERMINATED, WAITING, Container
from lab.cluster.kubelet.engine import EngineError
from lab.cluster.kubelet.env import ConfigError, environment
from lab.cluster.kubelet.images import ImageError, Notify, status_names
from lab.cluster.kubelet.node import Node
from lab.cluster.kubelet.prober import Probers
from lab.cluster.kubelet.probes import ProbeError, run_hook
from lab.cluster.kubelet.runtime import Sandbox, container_hash
from lab.cluster.kubelet.terminationlog import read as termination_message
from lab.cluster.kubelet.volumes import Source
from lab.cluster.model.objects import Obj, at, epoch, name_of, namespace_of, now, uid_of

NOT_STARTED = "RunContainerError"
PULL_BACKOFF = (14.0, 20.0, 40.0, 80.0, 160.0, 300.0)
FIRST_CONFIG_RETRY, CONFIG_RETRY = 1.0, 10.0
LONGEST_HOOK = 3600.0  # a postStart hook's time in seconds


class _Notices:
    """Events about one container, held back until it is its turn."""

    def __init__(self, pod: "PodContainers", field: str) -> None:
        self.pod, self.field = pod, field
        self.held: list[tuple[str, str, str]] | None = []

    def __call__(self, kind: str, reason: str, message: str) -> None:
        if self.held is not None:
            self.held.append((kind, reason, message))
            return
        recorder = self.pod.node.recorder
        (recorder.normal if kind == "Normal" else recorder.warning)(
            self.pod.pod, reason, message, self.field
        )

    def release(self) -> None:
        held, self.held = self.held or [], None
        for notice in held:
            self(*notice)


class PodContainers:
    """What is known of a Pod's containers, and what can be done with them."""

    def __init__(self, node: Node, pod: Obj) -> None:
        self.node, self.runtime, self.engine = node, node.runtime, node.runtime.engine
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
        self.probers = Probers(self.engine, self._probe_failed, self.wake)
        self._wake = asyncio.Event()

    @property
    def containers(self) -> list[Container]:
        """All of them: init, regular, ephemeral."""
        return [*self.init, *self.regular, *self.ephemeral]

    @property
    def _address(self) -> str:
        """The Pod's own address; empty while it has none."""
        return self.sandbox.address if self.sandbox else ""

    async def _sync_containers(
        self, listed: list[tuple[Obj, Container]], *, always: bool = False
    ) -> float | None:
        """Start those containers that are due. Seconds until the next one is, or None.

        Images are fetched and containers created side by side; they start, and their events come,
        one after the other.
        """
        due, delays = [], []
        for spec, container in listed:
            left = await self._due(spec, container, always)
            if left is not None and left <= 0:
                due.append((spec, container, _Notices(self, self._field(container))))
            elif left is not None:
                delays.append(left)
        prepared = [
            asyncio.ensure_future(self._prepare(spec, container, notices))
            for spec, container, notices in due
        ]
        try:
            for (spec, container, notices), preparing in zip(due, prepared, strict=True):
                notices.release()
                result = await preparing
                wait = (
                    result
                    if isinstance(result, float)
                    else await self._launch(spec, container, result, notices)
                )
                if wait is not None:
                    delays.append(wait)
        finally:
            for preparing in prepared:
                preparing.cancel()
        return min(delays, default=None)

    async def _due(self, spec: Obj, container: Container, always: bool) -> float | None:
        """Seconds until the container is to be started: 0 now, None not at all.

        A running one that is unhealthy, or no longer what the Pod wants, is stopped.
        """
        if container.phase == RUNNING:
            if container.hash != container_hash(spec):
                await self._kill(
                    spec,
                    container,
                    f"Container {container.name} definition changed, will be restarted",
                )
                container.retry_at = 0.0
                return 0.0
            if container.name not in self.probers.unhealthy:
                return None
            self.probers.unhealthy.discard(container.name)
            await self._kill(
                spec,
                container,
                f"Container {container.name} failed {self._why_unhealthy(spec, container)}, will be"
                " restarted",
            )
            if self._wants_restart(container, always) and container.in_backoff:
                self._show_backoff(container)
        if container.phase == TERMINATED and not self._wants_restart(container, always):
            return None
        left = container.retry_at - time.monotonic()
        ended = container.phase == TERMINATED or (
            container.phase == WAITING and container.reason == NOT_STARTED
        )
        if left <= 0 and ended and container.delay > FIRST_BACKOFF:
            self._show_backoff(container)
            self._report()
        return max(0.0, left)

    def _why_unhealthy(self, spec: Obj, container: Container) -> str:
        return (
            "startup probe"
            if spec.get("startupProbe") and not container.started
            else "liveness probe"
        )

    def _wants_restart(self, container: Container, always: bool) -> bool:
        policy = self.pod["spec"]["restartPolicy"]
        return always or policy == "Always" or (policy == "OnFailure" and container.failed)

    def _show_backoff(self, container: Container) -> None:
        pod = f"{name_of(self.pod)}_{namespace_of(self.pod)}({uid_of(self.pod)})"
        container.back_off(pod)
        message = f"Back-off restarting failed container {container.name} in pod {pod}"
        self._warn(container, "BackOff", message)

    def _warn(self, container: Container, reason: str, message: str) -> None:
        self.node.recorder.warning(self.pod, reason, message, self._field(container))

    def _list_of(self, container: Container) -> str:
        """The field of the Pod's spec that has the container."""
        listed = {
            "initContainers": self.init,
            "containers": self.regular,
            "ephemeralContainers": self.ephemeral,
        }
        return next(name for name, some in listed.items() if container in some)

    def _field(self, container: Container) -> str:
        return f"spec.{self._list_of(container)}{{{container.name}}}"

    async def _prepare(
        self, spec: Obj, container: Container, notify: Notify
    ) -> float | tuple[Obj, str]:
        """Fetch the image and create the container: image and id.

        Seconds until the next try when that fails.
        """
        sandbox = cast(Sandbox, self.sandbox)
        try:
            image = await self.node.images.ensure(spec["image"], spec["imagePullPolicy"], notify)
            env = environment(self.node.client, self.pod_with_address(), spec)
            attempt = container.restarts + 1 if container.id else container.restarts
            target = next(
                (c.id for c in self.regular if c.name == spec.get("targetContainerName")), ""
            )
            identity = await self.runtime.create_container(
                self.pod, spec, image, sandbox, self.volumes, env, attempt, target
            )
        except ImageError as error:
            return self._image_failed(container, error, spec["image"], notify)
        except (ConfigError, EngineError) as error:
            reason = (
                "CreateContainerConfigError"
                if isinstance(error, ConfigError)
                else "CreateContainerError"
            )
            delay = CONFIG_RETRY if container.reason == reason else FIRST_CONFIG_RETRY
            container.wait(reason, str(error))
            notify("Warning", "Failed", f"Error: {error}")
            container.retry_at = time.monotonic() + delay
            return delay
        notify("Normal", "Created", "Container created")
        return image, identity

    def pod_with_address(self) -> Obj:
        """The Pod, its address included even before its status is written."""
        addresses = {"podIP": self._address, "hostIP": self.node.address}
        return self.pod | {"status": {**(self.pod.get("status") or {}), **addresses}}

    def _image_failed(
        self, container: Container, error: ImageError, image: str, notify: Notify
    ) -> float:
        container.attempts += 1
        first = container.attempts == 1 or error.reason != "ErrImagePull"
        notify("Warning", "Failed", f"Error: {error.reason}")
        if error.reason == "ErrImagePull":
            notify("Normal", "BackOff", f'Back-off pulling image "{image}"')
            notify("Warning", "Failed", "Error: ImagePullBackOff")
        if first:
            container.wait(error.reason, error.message)
        else:
            container.wait(
                "ImagePullBackOff",
                f'Back-off pulling image "{image}": ErrImagePull: {error.message}',
            )
        delay = PULL_BACKOFF[min(container.attempts, len(PULL_BACKOFF)) - 1]
        container.retry_at = time.monotonic() + delay
        return delay

    async def _launch(
        self, spec: Obj, container: Container, prepared: tuple[Obj, str], notify: Notify
    ) -> float | None:
        """Start a container that has been created. Seconds until the next try when that fails."""
        image, identity = prepared
        outdated, container.before = container.before, container.id
        container.restarts += 1 if container.id else 0
        container.last = container.terminated or container.last
        container.id, container.hash, container.attempts = identity, container_hash(spec), 0
        container.image, container.image_id = status_names(spec["image"], image)
        if outdated:
            await self.engine.remove(outdated)
        try:
            await self.engine.start(identity)
        except EngineError as error:
            return self._start_failed(container, identity, str(error), notify)
        notify("Normal", "Started", "Container started")
        container.phase, container.message, container.terminated, container.started_at = (
            RUNNING,
            "",
            {},
            now(),
        )
        await self._post_start(spec, container)
        if container.phase == RUNNING:
            self._watch(spec, container)
        return None

    def _start_failed(
        self, container: Container, identity: str, error: str, notify: Notify
    ) -> float | None:
        why = podstatus.start_error(error)
        notify("Warning", "Failed", f"Error: {why}")
        container.phase = TERMINATED
        container.terminated = {
            "exitCode": 128,
            "reason": "StartError",
            "message": why,
            "startedAt": "1970-01-01T00:00:00Z",
            "finishedAt": now(),
            "containerID": f"docker://{identity}",
        }
        if container in self.ephemeral or not self._wants_restart(
            container, podstatus.is_sidecar(self._spec(container))
        ):
            return None
        container.schedule_restart()
        container.wait(NOT_STARTED, why)
        return max(0.0, container.retry_at - time.monotonic())

    async def _post_start(self, spec: Obj, container: Container) -> None:
        hook = at(spec, "lifecycle", "postStart")
        if not hook:
            return
        try:
            await run_hook(self.engine, container.id, spec, hook, self._address, LONGEST_HOOK)
        except ProbeError:  # its text may hold secrets: the event does not repeat it
            self._warn(container, "FailedPostStartHook", "PostStartHook failed")
            await self._kill(spec, container, "FailedPostStartHook")

    def _watch(self, spec: Obj, container: Container) -> None:
        """Begin the probes of a container that runs now."""
        host_network = self.pod["spec"].get("hostNetwork")
        self.probers.watch(spec, container, "127.0.0.1" if host_network else self._address)

    def _probe_failed(self, container: Container, kind: str, why: str) -> None:
        self._warn(container, "Unhealthy", f"{kind.capitalize()} probe failed: {why}")

    async def _state(self, identity: str) -> Obj | None:
        try:
            return cast(Obj, (await self.engine.inspect(identity))["State"])
        except EngineError as error:
            if error.status == 404:
                return None
            raise

    async def _ended(self, container: Container, state: Obj) -> None:
        self.probers.unwatch(container)
        spec = self._spec(container)
        message = await termination_message(
            self.engine, container.id, spec, failed=bool(state.get("ExitCode"))
        )
        container.phase, container.ready, container.started = TERMINATED, False, False
        container.terminated = podstatus.terminated(state, container.id, message)
        container.schedule_restart(time.time() - epoch(container.terminated["startedAt"]))

    def _spec(self, container: Container) -> Obj:
        listed = self.pod["spec"][self._list_of(container)]
        return cast(Obj, next(spec for spec in listed if spec["name"] == container.name))

    async def _kill(
        self, spec: Obj, container: Container, why: str, grace: int | None = None
    ) -> None:
        """Stop one container: its preStop hook, then SIGTERM, then SIGKILL."""
        self.probers.unwatch(container)
        if why:
            self.node.recorder.normal(self.pod, "Killing", why, self._field(container))
        if grace is None:
            grace = int(self.pod["spec"].get("terminationGracePeriodSeconds", 30))
        began = time.monotonic()
        hook = at(spec, "lifecycle", "preStop")
        if hook and grace > 0:
            try:
                await run_hook(self.engine, container.id, spec, hook, self._address, grace)
            except ProbeError:
                self._warn(container, "FailedPreStopHook", "PreStopHook failed")
        left = max(0, grace - int(time.monotonic() - began))
        await self.engine.stop(container.id, left)
        await self._ended(
            container,
            await self._state(container.id) or {"ExitCode": 137, "StartedAt": container.started_at},
        )

    def wake(self) -> None:
        self._wake.set()

    def _report(self, *, sandbox_ready: bool | None = None) -> None:
        """Write the Pod's status, if it changed."""
        raise NotImplementedError
