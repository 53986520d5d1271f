"""The network of all Pods on the engine, and each node's range of its addresses."""

import asyncio
import contextlib
import ipaddress
import logging
from collections.abc import AsyncIterator

from lab.cluster.kubelet.engine import Engine, EngineError
from lab.cluster.model.objects import at
from lab.cluster.registry.machines import CLUSTER_NETWORK, POD_NETWORKS

LOG = logging.getLogger("kubelet")
NETWORK = "kubernetes"
CLUSTER_LABEL = "io.kubernetes.cluster"
NETWORK_IDLE_SECONDS = 2.0  # how long the network of Pods outlives the last of them


class PodNetwork:
    """One bridge that the Pods of all nodes are on, so that each Pod reaches each other.

    It is made for the first Pod and removed after the last. ``cluster`` tells this cluster's
    containers from others'.
    """

    def __init__(self, engine: Engine, cluster: str) -> None:
        self.engine, self.cluster = engine, cluster
        self._lock = asyncio.Lock()
        self._is_there = False
        self._starting = 0  # sandboxes that count on the network and are no containers yet
        self._tidying: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """The network is there, and stays while something is made on it.

        Clusters on one engine share it.
        """
        self._starting += 1
        try:
            async with self._lock:
                if not self._is_there:
                    await self._make()
                    self._is_there = True
            yield
        finally:
            self._starting -= 1

    async def _make(self) -> None:
        try:
            found = await self.engine.json("GET", f"/networks/{NETWORK}")
        except EngineError as error:
            if error.status != 404:
                raise
            found = None
        if found is not None:
            ranges = [one.get("Subnet") for one in at(found, "IPAM", "Config", default=[])]
            if str(CLUSTER_NETWORK) in ranges:
                return
            # An earlier version made it, for one node; what ran on it has ended with that version.
            try:
                await self.engine.json("DELETE", f"/networks/{NETWORK}")
            except EngineError as error:
                LOG.warning("only the first node can have Pods with this network: %s", error)
                return
        ipam = {
            "Subnet": str(CLUSTER_NETWORK),
            "IPRange": str(POD_NETWORKS[0]),
            "Gateway": str(CLUSTER_NETWORK[1]),
        }
        config = {
            "Name": NETWORK,
            "Driver": "bridge",
            "IPAM": {"Config": [ipam]},
            "Labels": {CLUSTER_LABEL: self.cluster},
        }
        await self.engine.json("POST", "/networks/create", config)

    def look_again(self) -> None:
        """Somebody may have removed it."""
        self._is_there = False

    def tidy_later(self) -> None:
        """Remove it in a moment, if nothing of this cluster is on the engine by then."""
        self.stop_tidying()
        self._tidying = asyncio.ensure_future(self._tidy())

    def stop_tidying(self) -> None:
        if self._tidying is not None:
            self._tidying.cancel()

    async def _tidy(self) -> None:
        """Without Pods, nothing of a cluster is on the engine.

        Anyone who does not use Kubernetes should not meet it there.
        """
        await asyncio.sleep(NETWORK_IDLE_SECONDS)
        # Another cluster's Pods may be on it, or the engine gone.
        with contextlib.suppress(EngineError):
            async with self._lock:
                own = f"{CLUSTER_LABEL}={self.cluster}"
                if self._starting or await self.engine.containers(own):
                    return
                self._is_there = False
                await self.engine.json("DELETE", f"/networks/{NETWORK}")

    async def remove(self, label: str) -> None:
        """Remove all containers and volumes with that label."""
        for container in await self.engine.containers(label):
            await self.engine.remove(container["Id"])
        for volume in await self.engine.volumes(label):
            await self.engine.remove_volume(volume["Name"])

    async def remove_everything(self) -> None:
        """Remove all that this cluster has on the engine, the network included."""
        await self.remove(f"{CLUSTER_LABEL}={self.cluster}")
        self.stop_tidying()
        with contextlib.suppress(EngineError):  # another cluster's Pods are on it
            await self.engine.json("DELETE", f"/networks/{NETWORK}")


class Addresses:
    """A node's range of addresses, given out in turn, as the CNI plugin ``host-local`` does.

    The engine itself gives out those of the first node. It refuses an address that is in use.
    """

    def __init__(self, pod_cidr: str) -> None:
        self._network = ipaddress.IPv4Network(pod_cidr)
        self.by_engine = self._network == POD_NETWORKS[0]
        self._last = 1  # the first address would be the node's end of its own bridge

    def next(self) -> str:
        """The next address; the engine may know that it is taken."""
        self._last = self._last + 1 if self._last + 2 < self._network.num_addresses else 2
        return str(self._network[self._last])

    def seen(self, address: str) -> None:
        """A Pod from an earlier start has it: go on after it."""
        if not self.by_engine and address and ipaddress.ip_address(address) in self._network:
            offset = int(ipaddress.ip_address(address)) - int(self._network.network_address)
            self._last = max(self._last, offset)
