"""The host as a node of the cluster: its object, and the lease that shows that it lives."""

import os
import platform
from typing import Any

from lab.cluster import VERSION
from lab.cluster.kubelet.engine import Engine
from lab.cluster.kubelet.runtime import POD_NETWORK
from lab.cluster.model.objects import Obj, condition, new_condition, now, now_micro
from lab.cluster.registry.client import Client

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


async def register(client: Client, engine: Engine, name: str, address: str) -> None:
    """Create the node, or bring the one from an earlier start up to date."""
    info = await engine.json("GET", "/info")
    architecture = go_architecture(info.get("Architecture", ""))
    existing = client.get("nodes", "", name)
    if existing is None:
        labels = {
            "beta.kubernetes.io/arch": architecture,
            "beta.kubernetes.io/os": "linux",
            "kubernetes.io/arch": architecture,
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "node-role.kubernetes.io/control-plane": "",
        }
        annotations = {
            "node.alpha.kubernetes.io/ttl": "0",
            "volumes.kubernetes.io/controller-managed-attach-detach": "true",
        }
        meta = {"name": name, "labels": labels, "annotations": annotations}
        existing = client.create(
            "nodes", {"metadata": meta, "spec": {"podCIDR": POD_NETWORK, "podCIDRs": [POD_NETWORK]}}
        )
    images = [
        {"names": [_full_name(tag) for tag in image["RepoTags"]], "sizeBytes": image["Size"]}
        for image in await engine.json("GET", "/images/json")
        if image.get("RepoTags")
    ]
    status = _status(existing, info, architecture, name, address, images)
    client.set_status("nodes", existing, status)


def _full_name(tag: str) -> str:
    return f"docker.io/library/{tag}" if "/" not in tag else tag


def _status(
    existing: Obj, info: Any, architecture: str, name: str, address: str, images: list[Obj]
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
    machine = _read("/etc/machine-id") or boot.replace("-", "")
    return {
        "addresses": [
            {"type": "InternalIP", "address": address},
            {"type": "Hostname", "address": name},
        ],
        "capacity": capacity,
        "allocatable": capacity | {"memory": f"{memory - RESERVED_KIB}Ki"},
        "conditions": [_condition(existing, *values) for values in CONDITIONS],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "images": images,
        "nodeInfo": {
            "architecture": architecture,
            "bootID": boot,
            "machineID": machine,
            "systemUUID": machine,
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
