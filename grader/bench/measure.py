"""One run of all measurements, and the document that it gives."""

import os
import platform
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median, quantiles
from typing import Any

import docker

from grader.bench import classes, cluster, sandboxes
from grader.bench.otter import OtterGrader
from grader.bench.rivals import StockNbgrader
from grader.sandbox.containers import SandboxImage
from lab.progress import Step, say, step

ASSIGNMENT = "01-containers"
ATTEMPTS = 3
OURS, NBGRADER, OTTER = "bin/lab grade", "nbgrader autograde", "otter run"


@dataclass(frozen=True)
class Plan:
    """How much is measured. ``workers`` and ``sizes``: the last number of workers is the one that
    is compared and that grades the larger classes.

    ``clusters``: how often each thing about the cluster is measured.
    """

    sandboxes: int
    at_once: int
    rounds: int
    class_of: int
    workers: tuple[int, ...]
    sizes: tuple[int, ...]
    clusters: int
    request_seconds: float


FULL = Plan(
    sandboxes=20,
    at_once=4,
    rounds=2,
    class_of=30,
    workers=(1, 2, 4),
    sizes=(30, 100, 300),
    clusters=5,
    request_seconds=10,
)
QUICK = Plan(
    sandboxes=2,
    at_once=1,
    rounds=1,
    class_of=2,
    workers=(2,),
    sizes=(2,),
    clusters=1,
    request_seconds=1,
)


def measure(client: docker.DockerClient, place: SandboxImage, plan: Plan) -> dict[str, Any]:
    """The document of `bin/lab bench --json` (docs/performance.md describes it)."""
    load = os.getloadavg()[0]
    sandbox = _sandboxes(client, place, plan)
    with step("The pocket cluster"):
        cluster_figures = cluster.measured(client, place, plan.clusters, plan.request_seconds)
    rounds = _rounds(client, place, plan)
    by_workers, by_size = _growth(plan)
    graded = plan.class_of * len(rounds)
    rate = {
        name: graded * 60 / sum(one["seconds"][name] for one in rounds)
        for name in rounds[0]["seconds"]
    }
    return {
        "machine": {
            "processors": os.cpu_count(),
            "engine": client.version()["Version"],
            "kernel": platform.release(),
            "python": platform.python_version(),
            "load_before": load,
            "load_after": os.getloadavg()[0],
        },
        **_sandbox_figures(sandbox),
        **cluster.figures(cluster_figures),
        "assignment": ASSIGNMENT,
        "class_of": plan.class_of,
        "workers": plan.workers[-1],
        "submissions_per_minute": rate,
        "speedup_vs_nbgrader": rate[OURS] / rate[NBGRADER],
        "speedup_vs_otter": rate[OURS] / rate[OTTER],
        "by_workers": by_workers,
        "by_class_size": by_size,
        "rounds": rounds,
        "sandbox": sandbox,
        "cluster": cluster_figures,
    }


def _sandbox_figures(sandbox: dict[str, Any]) -> dict[str, float]:
    """What goes to the top of the document: medians, tails, means."""
    sizes, with_cluster = sandbox["sizes"], sandbox["cluster_sizes"]
    return {
        "sandbox_ready_p50_seconds": median(sandbox["cold_seconds"]),
        "sandbox_ready_p95_seconds": quantiles(sandbox["cold_seconds"], n=20)[-1],
        "sandbox_wait_p50_seconds": median(sandbox["wait_seconds"]),
        "sandbox_wait_p95_seconds": quantiles(sandbox["wait_seconds"], n=20)[-1],
        "sandbox_memory_mib": mean(size["memory_mib"] for size in sizes),
        "sandbox_disk_mib": mean(size["disk_mib"] for size in sizes),
        "sandbox_with_cluster_ready_p50_seconds": median(sandbox["cluster_cold_seconds"]),
        "sandbox_with_cluster_memory_mib": mean(size["memory_mib"] for size in with_cluster),
    }


def _sandboxes(client: docker.DockerClient, place: SandboxImage, plan: Plan) -> dict[str, Any]:
    with step("Sandboxes, one after the other") as progress:
        cold = sandboxes.seconds_until_ready(client, place, plan.sandboxes, progress.advance)
    with step("Sandboxes, made ahead") as progress:
        wait = sandboxes.seconds_waited(client, place, plan.sandboxes, progress.advance)
    with step("Sandboxes, side by side"):
        sizes = sandboxes.size(client, place, plan.at_once)
    with step("Sandboxes with a cluster") as progress:
        with_cluster = sandboxes.seconds_until_ready(
            client, place, plan.sandboxes, progress.advance, nodes=1
        )
        larger = sandboxes.size(client, place, plan.at_once, nodes=1)
    return {
        "cold_seconds": cold,
        "wait_seconds": wait,
        "sizes": sizes,
        "cluster_cold_seconds": with_cluster,
        "cluster_sizes": larger,
    }


def _rounds(client: docker.DockerClient, place: SandboxImage, plan: Plan) -> list[dict[str, Any]]:
    """In every round each grader grades the class; who begins changes."""
    students, workers, rounds = plan.class_of, plan.workers[-1], []
    with (
        StockNbgrader(client, place) as nbgrader,
        OtterGrader(client, place) as otter,
        step(f"A class of {plan.class_of}") as progress,
    ):
        graders = {
            OURS: lambda course: classes.seconds_to_grade(course, ASSIGNMENT, workers),
            NBGRADER: lambda course: nbgrader.seconds_to_grade(course, ASSIGNMENT),
            OTTER: lambda course: otter.seconds_to_grade(course, ASSIGNMENT, workers),
        }
        for number in range(plan.rounds):
            names = list(graders)[number % 3 :] + list(graders)[: number % 3]
            seconds, repeated = {}, {}
            for turn, name in enumerate(names):
                progress.advance(number * 3 + turn, plan.rounds * 3)
                progress.note(name)
                seconds[name], repeated[name] = _repeated(graders[name], students)
            rounds.append(
                {"submissions": students, "order": names, "seconds": seconds, "repeated": repeated}
            )
    return rounds


def _repeated(grade: Callable[[Path], float], students: int) -> tuple[float, int]:
    """Seconds to grade a new class, and how often that had to be begun again."""
    for before in range(ATTEMPTS):
        with tempfile.TemporaryDirectory(prefix="docker-course-") as folder:
            try:
                return grade(classes.make(Path(folder), ASSIGNMENT, students)), before
            except classes.PointsLostError as error:
                say(str(error))
                if before + 1 == ATTEMPTS:
                    raise
    raise AssertionError("unreachable")


def _growth(plan: Plan) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    most = plan.workers[-1]
    pairs = [(workers, plan.sizes[0]) for workers in plan.workers] + [
        (most, size) for size in plan.sizes[1:]
    ]
    with step("More workers, larger classes") as progress:
        grown = [_graded(*pair, progress, number, len(pairs)) for number, pair in enumerate(pairs)]
    return grown[: len(plan.workers)], grown[len(plan.workers) - 1 :]


def _graded(
    workers: int, students: int, progress: Step, number: int, total: int
) -> dict[str, float]:
    """Each once: a right submission that lost points is told, and not graded again."""
    progress.advance(number, total)
    progress.note(f"{students} students, {workers} workers")
    with tempfile.TemporaryDirectory(prefix="docker-course-") as folder:
        graded = classes.grade(
            classes.make(Path(folder), ASSIGNMENT, students), ASSIGNMENT, workers
        )
    for check in graded.lost:
        say(check)
    each = graded.seconds / students
    return {
        "workers": workers,
        "students": students,
        "seconds": graded.seconds,
        "seconds_each": each,
        "lost": len(graded.lost),
    }
