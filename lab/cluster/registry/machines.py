"""The machines that are nodes: their power, by a Node's annotation, and their addresses."""

import ipaddress

from lab.cluster.model.objects import Obj, annotations_of

# Of a Node: "on" gives it a machine (a kubelet, addresses), "off" takes the power away. A Node
# without it has no machine, as on any cluster where somebody writes a Node by hand.
POWER = "lab/power"
ON, OFF = "on", "off"
# Of the Node whose machine runs the control plane.
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
# Of a node's containers on the engine.
NODE_LABEL = "io.kubernetes.node.name"
# The addresses of all machines but the first, which has one already: that of its container.
MOST_NODES = 10
MACHINE_NETWORK = ipaddress.ip_network("10.240.0.0/24")
# All Pods' addresses; each node has a 256th of them, the first node the first.
CLUSTER_NETWORK = ipaddress.ip_network("10.244.0.0/16")
# As many as there are addresses of machines.
POD_NETWORKS = tuple(CLUSTER_NETWORK.subnets(new_prefix=24))[: len(list(MACHINE_NETWORK.hosts()))]


def power_of(node: Obj) -> str:
    """``on``, ``off``, or empty for a Node without a machine."""
    return annotations_of(node).get(POWER, "")


def free_range(taken: set[str]) -> str:
    """The first range of Pods' addresses that no node has. ValueError when there is none left."""
    for network in map(str, POD_NETWORKS):
        if network not in taken:
            return network
    raise ValueError("all ranges of Pods' addresses are taken")


def machine_address(pod_cidr: str) -> str:
    """The address of the machine whose Pods have that range. ValueError when no machine can."""
    if pod_cidr not in map(str, POD_NETWORKS):
        raise ValueError(f"{pod_cidr} is no node's range of {CLUSTER_NETWORK}")
    index = POD_NETWORKS.index(ipaddress.IPv4Network(pod_cidr))
    return str(MACHINE_NETWORK[index + 1])
