"""The addresses of machines: each answers where its node's ports do, in this machine's network."""

import logging

from lab.cluster.model.objects import Obj, at
from lab.cluster.network.namespace import ip
from lab.cluster.registry.client import Client
from lab.cluster.registry.machines import MACHINE_NETWORK, ON, power_of

LOG = logging.getLogger("proxy")


class MachineAddresses:
    """Gives the loopback device the addresses of all machines beyond the first that have power.

    Node ports are sockets at every address (``serviceproxy``), so they answer there, too.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self._there: set[str] = set()

    async def run(self) -> None:
        """Until cancelled."""
        with self.client.registry.store.watch() as watching:
            self._sync()
            try:
                async for event in watching:
                    if event.key[0] == "nodes":
                        self._sync()
            finally:
                self._set(set())

    def _sync(self) -> None:
        nodes = (node for node in self.client.list("nodes") if power_of(node) == ON)
        self._set({address for node in nodes for address in _addresses(node)})

    def _set(self, wanted: set[str]) -> None:
        commands = [f"address del {address}/32 dev lo" for address in self._there - wanted]
        commands += [f"address replace {address}/32 dev lo" for address in wanted - self._there]
        try:
            if commands:
                ip(*commands)
            self._there = wanted
        except OSError as error:
            LOG.warning("node ports do not answer at the addresses of all nodes: %s", error)


def _addresses(node: Obj) -> list[str]:
    """The node's addresses that are in the network of machines."""
    known = {str(address) for address in MACHINE_NETWORK.hosts()}
    listed = at(node, "status", "addresses", default=[])
    return [one["address"] for one in listed if one["address"] in known]
