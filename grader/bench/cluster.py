"""The pocket cluster: how soon it is ready, what it needs, how fast it answers."""

import json
from statistics import median
from typing import Any

import docker

from grader.bench.labs import BenchLab
from grader.sandbox.containers import SandboxImage
from grader.sandbox.docker import PYTHON

INSIDE = "grader.bench.cluster_figures"


def measured(
    client: docker.DockerClient, place: SandboxImage, times: int, seconds: float
) -> dict[str, Any]:
    """Each measurement; ``seconds``: how long requests are counted."""
    with BenchLab(client, place) as lab:
        told = lab.run(PYTHON, "-m", INSIDE, str(times), str(seconds))
    return dict(json.loads(told.strip().splitlines()[-1]))


def figures(found: dict[str, Any]) -> dict[str, float]:
    """What goes to the top of the document: medians."""
    return {
        "cluster_ready_seconds": median(found["ready_seconds"]),
        "cluster_memory_mib": found["memory_mib"],
        "cluster_memory_20_pods_mib": found["memory_20_pods_mib"],
        "apply_1_seconds": median(found["apply_1_seconds"]),
        "apply_10_seconds": median(found["apply_10_seconds"]),
        "list_1000_seconds": median(found["list_1000_seconds"]),
        "get_pods_per_second": found["get_pods_per_second"],
    }
