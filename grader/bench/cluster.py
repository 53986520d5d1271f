"""The pocket cluster: how soon it is ready, what it needs, how fast it answers."""

import json
from pathlib import Path
from statistics import median
from typing import Any

import docker

from grader.bench import cluster_figures
from grader.bench.labs import BenchLab
from grader.sandbox.containers import SandboxImage
from grader.sandbox.docker import PYTHON


def measured(
    client: docker.DockerClient, place: SandboxImage, times: int, seconds: float
) -> dict[str, Any]:
    """Each measurement; ``seconds``: how long requests are counted."""
    with BenchLab(client, place) as lab:
        program = Path(cluster_figures.__file__).read_text()  # the lab image holds no bench
        told = lab.run(PYTHON, "-c", program, str(times), str(seconds))
    return dict(json.loads(told.strip().splitlines()[-1]))


def figures(measured: dict[str, Any]) -> dict[str, float]:
    """What goes to the top of the document: medians."""
    return {
        "cluster_ready_seconds": median(measured["ready_seconds"]),
        "cluster_memory_mib": measured["memory_mib"],
        "cluster_3_nodes_ready_seconds": median(measured["ready_3_nodes_seconds"]),
        "cluster_3_nodes_memory_mib": median(measured["memory_3_nodes_mib"]),
        "cluster_memory_20_pods_mib": measured["memory_20_pods_mib"],
        "apply_1_seconds": median(measured["apply_1_seconds"]),
        "apply_10_seconds": median(measured["apply_10_seconds"]),
        "list_1000_seconds": median(measured["list_1000_seconds"]),
        "get_pods_per_second": measured["get_pods_per_second"],
    }
