"""The figures as a table and as plots, as docs/performance.md shows them."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PAGE, DOCUMENT, IMAGES = "performance.md", "performance.json", "images"
TABLE = re.compile(r"(<!-- figures of bin/lab bench -->\n).*?(<!-- end of figures -->)", re.DOTALL)
Figures = Mapping[str, Any]


def rows(figures: Figures) -> list[tuple[str, str]]:
    """What a person wants to read, as (name, value)."""
    return [
        *_sandbox_rows(figures),
        *_cluster_rows(figures),
        *_class_rows(figures),
        *_machine_rows(figures),
    ]


def _sandbox_rows(figures: Figures) -> list[tuple[str, str]]:
    cold, ahead = (
        f"{figures[f'{name}_p50_seconds']:.2f} s, {figures[f'{name}_p95_seconds']:.2f} s"
        for name in ("sandbox_ready", "sandbox_wait")
    )
    ready = f"{figures['sandbox_with_cluster_ready_p50_seconds']:.2f} s"
    memory = f"{figures['sandbox_with_cluster_memory_mib']:.0f} MiB"
    return [
        ("sandbox ready, cold: p50, p95", cold),
        ("sandbox ready, made ahead: p50, p95", ahead),
        ("memory of a sandbox", f"{figures['sandbox_memory_mib']:.0f} MiB"),
        ("written to disk by a sandbox", f"{figures['sandbox_disk_mib']:.1f} MiB"),
        ("sandbox with a cluster: ready cold, memory", f"{ready}, {memory}"),
    ]


def _cluster_rows(figures: Figures) -> list[tuple[str, str]]:
    idle, busy = (
        f"{figures[name]:.0f} MiB" for name in ("cluster_memory_mib", "cluster_memory_20_pods_mib")
    )
    one, ten = (f"{figures[name]:.2f} s" for name in ("apply_1_seconds", "apply_10_seconds"))
    rate = f"{figures['get_pods_per_second']:.0f}"
    nodes_ready = f"{figures['cluster_3_nodes_ready_seconds']:.2f} s"
    nodes_memory = f"{figures['cluster_3_nodes_memory_mib']:.0f} MiB"
    return [
        ("cluster: process start to ready", f"{figures['cluster_ready_seconds']:.2f} s"),
        ("cluster: memory idle, with 20 Pods", f"{idle}, {busy}"),
        ("cluster of 3 nodes: process start to ready, memory", f"{nodes_ready}, {nodes_memory}"),
        ("cluster: `kubectl apply` of 1 replica, of 10, until ready", f"{one}, {ten}"),
        ("cluster: list of 1,000 objects", f"{figures['list_1000_seconds'] * 1000:.0f} ms"),
        ("cluster: `get pods` (20), requests per second", rate),
    ]


def _class_rows(figures: Figures) -> list[tuple[str, str]]:
    rates = [
        (f"{name}, submissions per minute", f"{rate:.1f}")
        for name, rate in figures["submissions_per_minute"].items()
    ]
    growth = [
        (
            f"seconds per submission, {_counted(point['students'], 'student')},"
            f" {_counted(point['workers'], 'worker')}",
            f"{point['seconds_each']:.1f}",
        )
        for point in _points(figures)
    ]
    lost = sum(point["lost"] for point in _points(figures))
    compared = f"{figures['class_of']}, {figures['assignment']}, {figures['workers']}"
    return [
        *rates,
        ("beside nbgrader autograde", f"{figures['speedup_vs_nbgrader']:.2f} times"),
        ("beside Otter-Grader", f"{figures['speedup_vs_otter']:.2f} times"),
        *growth,
        ("checks that right submissions did not pass there", str(lost)),
        ("class, assignment, workers compared", compared),
    ]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _machine_rows(figures: Figures) -> list[tuple[str, str]]:
    machine = figures["machine"]
    versions = f"Docker {machine['engine']}, Linux {machine['kernel']}"
    load = f"{machine['load_before']:.1f}, {machine['load_after']:.1f}"
    return [
        ("machine", f"{machine['processors']} processors, {versions}"),
        ("load before and after", load),
    ]


def write(figures: Figures, folder: Path) -> None:
    """Write document and plots, and the table into the folder's performance.md."""
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    (folder / DOCUMENT).write_text(json.dumps(figures, indent=2) + "\n")
    page = folder / PAGE
    if page.exists():
        table = "\n".join(
            ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows(figures))]
        )
        page.write_text(TABLE.sub(lambda found: f"{found[1]}{table}\n{found[2]}", page.read_text()))
    _plot_sandboxes(figures, folder / IMAGES / "bench-sandboxes.png")
    _plot_throughput(figures, folder / IMAGES / "bench-throughput.png")
    _plot_growth(figures, folder / IMAGES / "bench-growth.png")


def _points(figures: Figures) -> list[dict[str, Any]]:
    """Workers and class sizes in one list; they share one point."""
    return [*figures["by_workers"], *figures["by_class_size"][1:]]


def _plot_sandboxes(figures: Figures, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    lines = {
        "cold_seconds": "made when asked for",
        "wait_seconds": "made ahead",
        "cluster_cold_seconds": "with a cluster",
    }
    for name, label in lines.items():
        seconds = sorted(figures["sandbox"][name])
        share = [100 * number / len(seconds) for number in range(1, len(seconds) + 1)]
        axes.step([0, *seconds], [0, *share], where="post", label=label)
    axes.set(
        xlabel="seconds until the sandbox is ready",
        ylabel="% of sandboxes",
        xlim=(0, None),
        ylim=(0, 100),
    )
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=110)


def _plot_throughput(figures: Figures, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.4), layout="constrained")
    axes = figure.subplots()
    rates = dict(reversed(figures["submissions_per_minute"].items()))
    bars = axes.barh(list(rates), list(rates.values()))
    axes.bar_label(bars, fmt="%.1f", padding=3)
    axes.set(
        xlabel=f"submissions per minute ({figures['assignment']}, {figures['class_of']} students)"
    )
    axes.margins(x=0.1)
    figure.savefig(path, dpi=110)


def _plot_growth(figures: Figures, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, points, name in (
        (left, figures["by_workers"], "workers"),
        (right, figures["by_class_size"], "students"),
    ):
        _line(axes, points, name)
    left.set(ylabel="seconds per submission", ylim=(0, None))
    figure.savefig(path, dpi=110)


def _line(axes: Any, points: Sequence[Mapping[str, float]], name: str) -> None:
    axes.plot([one[name] for one in points], [one["seconds_each"] for one in points], marker="o")
    axes.set(xlabel=name, xticks=[one[name] for one in points])
