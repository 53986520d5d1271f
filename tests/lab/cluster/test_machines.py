"""Which Nodes get a machine; here no engine answers, so nothing runs on one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

pytest.importorskip("kubernetes_validate")

from lab.cluster.kubelet.engine import Engine
from lab.cluster.kubelet.host import Machine
from lab.cluster.kubelet.kubelet import Kubelet
from lab.cluster.kubelet.machines import Machines
from lab.cluster.kubelet.podnetwork import PodNetwork
from lab.cluster.kubelet.runtime import Runtime
from lab.cluster.registry.machines import POD_NETWORKS, POWER

from .pretended import NODE, Pretended

FIRST = Machine(NODE, "127.0.0.1", str(POD_NETWORKS[0]), is_control_plane=True)


@contextlib.asynccontextmanager
async def machines(pretended: Pretended) -> AsyncIterator[Machines]:
    network = PodNetwork(Engine("unix:///nowhere"), "test")

    def kubelet(machine: Machine) -> Kubelet:
        runtime = Runtime(network, machine.name, machine.pod_cidr, "10.96.0.10", "pause")
        return Kubelet(pretended.client, runtime, machine, lambda *_: "")

    made = Machines(pretended.client, FIRST, kubelet)
    task = asyncio.ensure_future(made.run())
    yield made
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def add(pretended: Pretended, name: str, power: str = "on", **spec: str) -> None:
    meta = {"name": name, "annotations": {POWER: power}}
    pretended.client.create("nodes", {"metadata": meta, "spec": spec})


@pytest.mark.parametrize("power", ["on", "off"])
@pytest.mark.parametrize(
    "pod_cidr", ["192.168.0.0/24", "10.244.255.0/24", "no range", FIRST.pod_cidr, "10.244.1.0/24"]
)
def test_a_node_with_a_range_that_it_cannot_have_gets_no_machine(pod_cidr: str, power: str) -> None:
    """Such as one that was written after ``kubectl get node lab-2 -o yaml``. All others do."""

    async def run() -> None:
        pretended = Pretended()
        add(pretended, "node-2", podCIDR="10.244.1.0/24")
        async with machines(pretended) as made:
            await pretended.until(lambda: made.kubelet_of({"spec": {"nodeName": "node-2"}}))
            add(pretended, "odd", power, podCIDR=pod_cidr)
            add(pretended, "other")
            await pretended.until(lambda: made.kubelet_of({"spec": {"nodeName": "other"}}))
            assert made.kubelet_of({"spec": {"nodeName": NODE}})
            assert made.kubelet_of({"spec": {"nodeName": "node-2"}})
            assert made.kubelet_of({"spec": {"nodeName": "odd"}}) is None

    asyncio.run(run())


def test_a_node_for_which_there_is_no_range_does_no_harm() -> None:
    async def run() -> None:
        pretended = Pretended()
        for number in range(2, 256):
            add(pretended, f"by-hand-{number}", "", podCIDR=f"10.244.{number}.0/24")
        async with machines(pretended) as made:
            add(pretended, "too-many")
            add(pretended, "last", podCIDR="10.244.1.0/24")
            await pretended.until(lambda: made.kubelet_of({"spec": {"nodeName": "last"}}))
            assert made.kubelet_of({"spec": {"nodeName": "too-many"}}) is None
            assert made.kubelet_of({"spec": {"nodeName": NODE}})

    asyncio.run(run())
