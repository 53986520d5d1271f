"""A machine as a node of the cluster: its object, and the lease that shows that it lives."""

import os
import platform
from dataclasses import dataclass
from typing import Any

from lab.cluster import VERSION
from lab.cluster.kubelet.engine import Engine
from lab.cluster.model.objects import (
    Obj,
    annotations_of,
    at,
    condition,
    labels_of,
    new_condition,
    now,
    now_micro,
)
from lab.cluster.registry.client import Client
from lab.cluster.registry.machines import CONTROL_PLANE

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
RESERVED_KIB = 100 * 1024  # what the kubelet keeps back of memory
LEASE_SECONDS = 40
CONDITIONS = (
    (
        "MemoryPressure",
        "False",
        "KubeletHasSufficientMemory",
        "kubelet has sufficient memory available",
    ),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


def go_architecture(machine: str) -> str:
    """A machine's architecture, as ``uname -m`` and the engine name it, by its name in Go."""
    return ARCHITECTURES.get(machine, machine)


@dataclass(frozen=True)
class Machine:
    """A machine: its name, its address, the range of its Pods' addresses (``10.244.1.0/24``)."""

    name: str
    address: str
    pod_cidr: str
    is_control_plane: bool = False


async def register(client: Client, engine: Engine, info: Obj, machine: Machine) -> None:
    """Create the node, or bring the one that is there up to date.

    ``info`` is what the engine says of itself (``docker info``).
    """
    architecture = go_architecture(info.get("Architecture", ""))
    labels = {
        "beta.kubernetes.io/arch": architecture,
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture,
        "kubernetes.io/hostname": machine.name,
        "kubernetes.io/os": "linux",
    } | ({CONTROL_PLANE: ""} if machine.is_control_plane else {})
    annotations = {
        "node.alpha.kubernetes.io/ttl": "0",
        "volumes.kubernetes.io/controller-managed-attach-detach": "true",
    }
    spec = {"podCIDR": machine.pod_cidr, "podCIDRs": [machine.pod_cidr]}
    existing = client.get("nodes", "", machine.name)
    if existing is None:
        meta = {"name": machine.name, "labels": labels, "annotations": annotations}
        existing = client.create("nodes", {"metadata": meta, "spec": spec})
    elif not at(existing, "spec", "podCIDR"):

        def complete(fresh: Obj) -> None:
            meta = fresh["metadata"]
            meta["labels"] = labels | labels_of(fresh)
            meta["annotations"] = annotations | annotations_of(fresh)
            fresh["spec"] = (fresh.get("spec") or {}) | spec

        existing = client.change("nodes", existing, complete) or existing
    images = [
        {"names": [_full_name(tag) for tag in image["RepoTags"]], "sizeBytes": image["Size"]}
        for image in await engine.json("GET", "/images/json")
        if image.get("RepoTags")
    ]
    status = _status(existing, info, architecture, machine, images)
    client.set_status("nodes", existing, status)


def _full_name(tag: str) -> str:
    return f"docker.io/library/{tag}" if "/" not in tag else tag


def _status(
    existing: Obj, info: Any, architecture: str, machine: Machine, images: list[Obj]
) -> Obj:
    memory = int(info.get("MemTotal", 0)) // 1024
    disk = os.statvfs("/")
    capacity = {
        "cpu": str(info.get("NCPU", 1)),
        "ephemeral-storage": f"{disk.f_blocks * disk.f_frsize // 1024}Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": f"{memory}Ki",
        "pods": "110",
    }
    boot = _read("/proc/sys/kernel/random/boot_id")
    identity = _read("/etc/machine-id") or boot.replace("-", "")
    return {
        "addresses": [
            {"type": "InternalIP", "address": machine.address},
            {"type": "Hostname", "address": machine.name},
        ],
        "capacity": capacity,
        "allocatable": capacity | {"memory": f"{memory - RESERVED_KIB}Ki"},
        "conditions": [_condition(existing, *values) for values in CONDITIONS],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "images": images,
        "nodeInfo": {
            "architecture": architecture,
            "bootID": boot,
            "machineID": identity,
            "systemUUID": identity,
            "containerRuntimeVersion": f"docker://{info.get('ServerVersion', '')}",
            "kernelVersion": platform.release(),
            "kubeProxyVersion": "",
            "kubeletVersion": VERSION,
            "operatingSystem": "linux",
            "osImage": info.get("OperatingSystem", ""),
        },
    }


def _condition(existing: Obj, kind: str, status: str, reason: str, message: str) -> Obj:
    before = condition(existing, kind)
    return new_condition(before, kind, status, reason, message) | {"lastHeartbeatTime": now()}


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def heartbeat(client: Client, name: str) -> None:
    """Renew the node's lease."""
    lease = client.get("leases.coordination.k8s.io", "kube-node-lease", name)
    spec = {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now_micro()}
    if lease is None:
        client.create(
            "leases.coordination.k8s.io",
            {"metadata": {"name": name, "namespace": "kube-node-lease"}, "spec": spec},
        )
        return

    def renew(fresh: Obj) -> None:
        fresh["spec"] = spec

    client.change("leases.coordination.k8s.io", lease, renew)
