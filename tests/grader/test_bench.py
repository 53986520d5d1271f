"""The measurements run, graders do the same work, and the page shows what was measured."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from grader.bench import classes, cluster, otter, pages
from lab.course import NAME, ROOT
from lab.machine.host import ensure_engine

ASSIGNMENT = "01-containers"
GRADERS = {"bin/lab grade", "nbgrader autograde", "otter run"}


CLUSTER = {
    "ready_seconds": [0.6, 0.5, 0.9],
    "ready_3_nodes_seconds": [1.2, 1.1, 1.6],
    "memory_3_nodes_mib": [66.2, 66.4, 66.1],
    "memory_mib": 65.4,
    "memory_20_pods_mib": 74.0,
    "apply_1_seconds": [0.5, 0.4, 0.45],
    "apply_10_seconds": [2.0],
    "list_1000_seconds": [0.05],
    "get_pods_per_second": 420.4,
}


@pytest.fixture
def figures() -> dict[str, Any]:
    grown = [
        {"workers": w, "students": s, "seconds": 9.0 * s, "seconds_each": 9.0, "lost": 0}
        for w, s in ((1, 30), (2, 30))
    ]
    return {
        "sandbox_ready_p50_seconds": 0.75,
        "sandbox_ready_p95_seconds": 1.25,
        "sandbox_wait_p50_seconds": 0.01,
        "sandbox_wait_p95_seconds": 0.7,
        "sandbox_memory_mib": 101.6,
        "sandbox_disk_mib": 0.25,
        "assignment": ASSIGNMENT,
        "class_of": 30,
        "workers": 2,
        "submissions_per_minute": {
            "bin/lab grade": 12.0,
            "nbgrader autograde": 5.0,
            "otter run": 6.0,
        },
        "speedup_vs_nbgrader": 2.4,
        "speedup_vs_otter": 2.0,
        "by_workers": grown,
        "by_class_size": [grown[-1], {**grown[-1], "students": 300}],
        "machine": {
            "processors": 2,
            "engine": "20.10.24",
            "kernel": "6.1",
            "python": "3.11",
            "load_before": 0.1,
            "load_after": 2.0,
        },
        "rounds": [],
        "sandbox": {
            "cold_seconds": [0.7, 0.8],
            "wait_seconds": [0.01, 0.7],
            "sizes": [],
            "cluster_cold_seconds": [1.4, 1.5],
            "cluster_sizes": [],
        },
        "sandbox_with_cluster_ready_p50_seconds": 1.45,
        "sandbox_with_cluster_memory_mib": 180.4,
        **cluster.figures(CLUSTER),
    }


def test_page_gets_the_table_and_keeps_its_text(figures: dict[str, Any], tmp_path: Path) -> None:
    page = tmp_path / pages.PAGE
    page.write_text((ROOT / "docs" / pages.PAGE).read_text())
    for _ in range(2):  # again: in place of what was there
        pages.write(figures, tmp_path)
    text = page.read_text()
    assert text.count("| beside nbgrader autograde | 2.40 times |") == 1
    assert "| cluster: process start to ready | 0.60 s |" in text
    assert "| cluster of 3 nodes: process start to ready, memory | 1.20 s, 66 MiB |" in text
    assert "| cluster: `kubectl apply` of 1 replica, of 10, until ready | 0.45 s, 2.00 s |" in text
    assert "| seconds per submission, 300 students, 2 workers | 9.0 |" in text
    assert text.startswith("# How fast")
    assert "## The JSON document" in text
    assert json.loads((tmp_path / pages.DOCUMENT).read_text()) == figures
    pictures = {path.name: path.read_bytes()[:4] for path in (tmp_path / pages.IMAGES).iterdir()}
    assert pictures == dict.fromkeys(
        ("bench-sandboxes.png", "bench-throughput.png", "bench-growth.png"), b"\x89PNG"
    )


def test_students_of_a_class_hand_in_notebooks_of_their_own(tmp_path: Path) -> None:
    classes.make(tmp_path, ASSIGNMENT, 3)
    contents = {path.read_text() for path in tmp_path.glob(f"submitted/*/{ASSIGNMENT}/*.ipynb")}
    assert len(contents) == 3
    assert classes.full_points(tmp_path, ASSIGNMENT) == 16


def test_otter_gets_every_check_once() -> None:
    path = ROOT / "solutions" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    cells = json.loads(path.read_text())["cells"]
    notebook, autograder = otter.split(path)
    with zipfile.ZipFile(io.BytesIO(autograder)) as archive:
        tests = [
            archive.read(name).decode() for name in archive.namelist() if name.startswith("tests/")
        ]
    assert len(json.loads(notebook)["cells"]) + len(tests) == len(cells)
    assert all("must_" in test or "CheckFailed" in test for test in tests)
    assert "must_have_exited" not in notebook.decode()


@pytest.mark.machine
@pytest.mark.grading
@pytest.mark.timeout(1200)
def test_quick_run_measures_everything_and_leaves_nothing() -> None:
    command = [sys.executable, "-m", "lab", "bench", "--quick", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert set(figures["submissions_per_minute"]) == GRADERS
    assert all(rate > 0 for rate in figures["submissions_per_minute"].values())
    rates = figures["submissions_per_minute"]
    assert figures["speedup_vs_nbgrader"] == pytest.approx(
        rates["bin/lab grade"] / rates["nbgrader autograde"]
    )
    assert 0 < figures["sandbox_ready_p50_seconds"] <= figures["sandbox_ready_p95_seconds"]
    assert 20 < figures["sandbox_memory_mib"] < figures["sandbox_with_cluster_memory_mib"] < 500
    assert 0 < figures["cluster_ready_seconds"] < 30
    assert 20 < figures["cluster_memory_mib"] <= figures["cluster_memory_20_pods_mib"] + 20
    assert 0 < figures["cluster_3_nodes_ready_seconds"] < 30
    assert figures["cluster_3_nodes_memory_mib"] < figures["cluster_memory_mib"] + 4  # 2 a node
    assert 0 < figures["apply_1_seconds"] < figures["apply_10_seconds"]
    assert figures["list_1000_seconds"] > 0
    assert figures["get_pods_per_second"] > 1
    client = ensure_engine()
    names = [name for one in client.api.containers(all=True) for name in one["Names"]]
    assert [name for name in names if name.startswith(f"/{NAME}-bench")] == []
    assert [one.name for one in client.volumes.list() if one.name.startswith(f"{NAME}-bench")] == []
    assert client.images.list(f"{NAME}-bench-otter") == []
