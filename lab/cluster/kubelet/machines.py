"""The machines of the cluster: each node's kubelet, for as long as the machine has power."""

import asyncio
import logging
from collections.abc import Callable

from lab.cluster.kubelet.engine import EngineError
from lab.cluster.kubelet.host import Machine
from lab.cluster.kubelet.kubelet import Kubelet
from lab.cluster.model.objects import Obj, at, name_of
from lab.cluster.registry.client import Client
from lab.cluster.registry.machines import OFF, ON, free_range, machine_address, power_of

LOG = logging.getLogger("machines")
RESTART_SECONDS = 1.0
LEASES = "leases.coordination.k8s.io"


class Machines:
    """Gives each Node that has the annotation ``lab/power`` a machine, and switches it.

    The first machine, which runs the control plane, is always there and always on. Another one is
    there as long as its Node: ``on`` starts its kubelet; ``off`` stops it and kills its containers,
    and it says no goodbye, as when a machine loses its power; with the Node goes all that it ran.
    ``make`` makes a machine's kubelet. ``Cluster`` starts it.
    """

    def __init__(self, client: Client, first: Machine, make: Callable[[Machine], Kubelet]) -> None:
        self.client, self.first, self._make = client, first, make
        self._kubelets: dict[str, Kubelet] = {first.name: make(first)}
        self._running: dict[str, asyncio.Task[None]] = {}

    def kubelet_of(self, pod: Obj) -> Kubelet | None:
        """The kubelet of the Pod's node; None while that is switched off, or is none.

        A Pod that has no node yet is the first one's matter.
        """
        name = at(pod, "spec", "nodeName", default=self.first.name)
        return self._kubelets.get(name) if name in self._running else None

    async def run(self) -> None:
        """Until cancelled."""
        try:
            with self.client.registry.store.watch() as watching:
                self._start(self.first.name)
                for node in self.client.list("nodes"):
                    await self._switch(node)
                async for event in watching:
                    if event.key[0] == "nodes":
                        await self._switch(event.obj)
        finally:
            await self._stop(*self._running)

    async def _switch(self, node: Obj) -> None:
        """Bring the machine of a Node to what the Node says now."""
        name = name_of(node)
        if name == self.first.name:
            return
        stored = self.client.get("nodes", "", name)
        try:
            if stored is None:
                await self._scrap(name)
            elif power_of(stored) == ON:
                self._boot(stored)
            else:
                await self._cut(stored)
        # A Node that somebody wrote may ask for what it cannot have: the other machines go on.
        except (EngineError, ValueError) as error:
            LOG.warning("machine %s: %s", name, error)

    def _boot(self, node: Obj) -> None:
        name = name_of(node)
        if name not in self._running:
            pod_cidr = at(node, "spec", "podCIDR") or free_range(self._ranges())
            self._kubelets[name] = self._kubelet(name, pod_cidr)
            self._start(name)

    async def _cut(self, node: Obj) -> None:
        """Take the power away; also from what an earlier process left running."""
        name, pod_cidr = name_of(node), at(node, "spec", "podCIDR")
        if name in self._running:
            await self._stop(name)
        elif name not in self._kubelets and pod_cidr and power_of(node) == OFF:
            self._kubelets[name] = self._kubelet(name, pod_cidr)
        else:
            return
        await self._kubelets[name].runtime.cut_power()

    def _kubelet(self, name: str, pod_cidr: str) -> Kubelet:
        """The kubelet of a machine with that range. ValueError when it cannot have the range."""
        machines = (kubelet.machine for kubelet in self._kubelets.values())
        if any(one.pod_cidr == pod_cidr and one.name != name for one in machines):
            raise ValueError(f"{pod_cidr} is the range of another machine")
        return self._make(Machine(name, machine_address(pod_cidr), pod_cidr))

    def _ranges(self) -> set[str]:
        """The ranges that are taken: by Nodes, or by machines whose Nodes do not say so yet."""
        nodes = {at(node, "spec", "podCIDR") for node in self.client.list("nodes")}
        return nodes | {kubelet.machine.pod_cidr for kubelet in self._kubelets.values()}

    def _start(self, name: str) -> None:
        self._running[name] = asyncio.ensure_future(_keep_running(self._kubelets[name]))

    async def _stop(self, *names: str) -> None:
        tasks = [self._running.pop(name) for name in names]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _scrap(self, name: str) -> None:
        """The machine of a deleted Node: what it ran goes with it."""
        if name in self._running:
            await self._stop(name)
        kubelet = self._kubelets.pop(name, None)
        if kubelet is None:
            return
        for pod in self.client.list("pods"):
            if at(pod, "spec", "nodeName") == name:
                self.client.delete("pods", pod, grace=0)
        if (lease := self.client.get(LEASES, "kube-node-lease", name)) is not None:
            self.client.delete(LEASES, lease)
        await kubelet.leave()


async def _keep_running(kubelet: Kubelet) -> None:
    """Run a kubelet; one that fails is started again."""
    while True:
        try:
            await kubelet.run()
        except Exception:
            LOG.exception("the kubelet of %s failed; it is started again", kubelet.machine.name)
        await asyncio.sleep(RESTART_SECONDS)
