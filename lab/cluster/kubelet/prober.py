"""Probing: asking running containers again and again whether they have started, live, are ready."""

import asyncio
from collections.abc import Callable
from typing import Any

from lab.cluster.kubelet.container import RUNNING, Container
from lab.cluster.kubelet.engine import Engine
from lab.cluster.kubelet.probes import ProbeError, check
from lab.cluster.model.objects import Obj

# A container that has just started is not asked at once; a real kubelet first asks at some time
# within the first period.
FIRST_PROBE = {"liveness": 1.0, "readiness": 0.5, "startup": 0.5}


class Prober:
    """One probe of one running container.

    ``changed`` gets the result when it turns, ``failed`` each failure.
    """

    def __init__(
        self,
        kind: str,
        ask: Callable[[], Any],
        probe: Obj,
        changed: Callable[[str, bool], None],
        failed: Callable[[str, str], None],
    ) -> None:
        self.kind, self.ask, self.probe = kind, ask, probe
        self.changed, self.failed = changed, failed
        self.task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        period = max(1, self.probe.get("periodSeconds", 10))
        await asyncio.sleep(self.probe.get("initialDelaySeconds", 0) or FIRST_PROBE[self.kind])
        good, bad = 0, 0
        while True:
            try:
                await self.ask()
                good, bad = good + 1, 0
            except ProbeError as failure:
                good, bad = 0, bad + 1
                self.failed(self.kind, str(failure))
            if good == max(1, self.probe.get("successThreshold", 1)):
                self.changed(self.kind, True)
                if self.kind == "startup":
                    return
            if bad == max(1, self.probe.get("failureThreshold", 3)):
                self.changed(self.kind, False)
            await asyncio.sleep(period)

    def stop(self) -> None:
        self.task.cancel()


class Probers:
    """All probes of one Pod, the kubelet's prober manager.

    It keeps ``started`` and ``ready`` of the containers, and the names of those that failed their
    liveness or startup probe. ``failed`` gets each failure (container, kind, why); ``wake``
    is called when something has turned.
    """

    def __init__(
        self,
        engine: Engine,
        failed: Callable[[Container, str, str], None],
        wake: Callable[[], None],
    ) -> None:
        self.engine, self.failed, self.wake = engine, failed, wake
        self.unhealthy: set[str] = set()
        self._probers: dict[str, list[Prober]] = {}

    def watch(self, spec: Obj, container: Container, address: str) -> None:
        """Begin the probes of a container that runs now."""
        self.unwatch(container)
        container.started = not spec.get("startupProbe")
        container.ready = container.started and not spec.get("readinessProbe")
        kinds = ("startup",) if spec.get("startupProbe") else ("liveness", "readiness")
        self._begin(kinds, spec, container, address)

    def unwatch(self, container: Container) -> None:
        for prober in self._probers.pop(container.name, []):
            prober.stop()

    def _begin(self, kinds: tuple[str, ...], spec: Obj, container: Container, address: str) -> None:
        self._probers[container.name] = [
            self._prober(kind, spec, container, address)
            for kind in kinds
            if spec.get(f"{kind}Probe")
        ]

    def _prober(self, kind: str, spec: Obj, container: Container, address: str) -> Prober:
        probe, identity = spec[f"{kind}Probe"], container.id

        def changed(kind: str, ok: bool) -> None:
            self._changed(kind, ok, spec, container, address)

        def failed(kind: str, why: str) -> None:
            self.failed(container, kind, why)

        return Prober(
            kind, lambda: check(self.engine, identity, spec, probe, address), probe, changed, failed
        )

    def _changed(self, kind: str, ok: bool, spec: Obj, container: Container, address: str) -> None:
        if container.phase != RUNNING:
            return
        if kind == "readiness":
            container.ready = ok
        elif not ok:
            self.unhealthy.add(container.name)
        elif kind == "startup":
            container.started = True
            container.ready = not spec.get("readinessProbe")
            self._begin(("liveness", "readiness"), spec, container, address)
        self.wake()
