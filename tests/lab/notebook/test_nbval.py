"""Lessons under nbval: a silent failure fails the build, and two runs compare as equal."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import v4

from ..cluster.conftest import Cluster

ROOT = Path(__file__).parents[3]
BUILD = """%%shell
dir=$(mktemp -d)
echo 'FROM busybox
LABEL lesson=MARK
COPY data /data
RUN echo one; sleep 0.2; echo two' > $dir/Dockerfile
date +%N > $dir/data
docker build -t MARK $dir
docker build -t MARK $dir"""
TYPICAL = [
    "%%shell\ndocker ps -aq --filter label=lesson=MARK | xargs -r docker rm -f >/dev/null",
    (
        "%%shell\ndocker run -d --name MARK -l lesson=MARK -p 80 nginx\ndocker run -l lesson=MARK"
        " busybox hostname\ndocker run -l lesson=MARK busybox date"
    ),
    (
        "%%shell\ndocker ps -a --filter label=lesson=MARK\ndocker port MARK\ndocker top MARK\n"
        "docker stats --no-stream MARK\ndocker images busybox\ndocker history busybox"
    ),
    (
        "%%shell\ndocker inspect MARK --format '{{.Id}} {{.State.StartedAt}}"
        " {{.NetworkSettings.IPAddress}}'\ndocker inspect MARK --format '{{json"
        " .NetworkSettings.Networks}}'\ntime sleep 0.1"
    ),
    BUILD,
    (
        "with record_events(label='lesson=MARK') as events:\n    %shell docker run --rm -l"
        " lesson=MARK busybox echo hello\nsequence_diagram(events)"
    ),
    "engine_map(label='lesson=MARK')",
    "state_diagram('MARK')",
    "stack_plot('MARK')",
    "predict('k', 'Which?', ['a', 'b'])",
    "outcome('k', 'a')",
    (
        "quiz([{'question': 'Q', 'type': 'numeric', 'answers': [{'type': 'value', 'value': 1,"
        " 'correct': True}]}])"
    ),
    "%%shell\nseq 100",
    "%%shell --expect-exit 125\ndocker run --name MARK busybox",
]

TYPICAL_OF_KUBECTL = [
    (
        "%%shell\nkubectl create deployment MARK --image=nginx\nkubectl expose deployment MARK"
        " --port=80 --type=NodePort\nkubectl wait --for=condition=Available deployment/MARK"
        " --timeout=60s"
    ),
    "%%shell\nkubectl get deployments,replicasets,pods,services -l app=MARK -o wide",
    (
        "%%shell\nkubectl describe pod -l app=MARK | sed -n '/^Events:/,$p'\nkubectl describe"
        " deployment MARK"
    ),
    (
        "%%shell\nkubectl cluster-info | head -n 1\nkubectl get nodes -o"
        " jsonpath='{.items[0].status.capacity.memory}'"
    ),
    "object_tree()",
    "%%shell --expect-exit 1\nkubectl --server=https://127.0.0.1:1 get pods",
    "%%shell\nkubectl delete deployment,service MARK --cascade=foreground -o name",
]


def lesson(folder: Path, cells: list[str], *, run: bool) -> Path:
    """A notebook with these cells, with the outputs of a first run."""
    sources = ["%load_ext lab.notebook", *cells]
    book = v4.new_notebook(cells=[v4.new_code_cell(source) for source in sources])  # type: ignore[no-untyped-call]
    if run:
        NotebookClient(book, timeout=120).execute()
    path = folder / "lesson.ipynb"
    nbformat.write(book, path)  # type: ignore[no-untyped-call]
    return path


def nbval(path: Path) -> subprocess.CompletedProcess[str]:
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(path.parent),
        "-c",
        os.devnull,
        "--nbval",
    ]
    options += [
        "--nbval-current-env",
        "--nbval-sanitize-with",
        str(ROOT / "tests" / "nbval-sanitize.cfg"),
    ]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, path.name],
        cwd=path.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.mark.parametrize("broken", ["%%shell\nfalse | cat", "%%shell\nfalse\necho fine", "!false"])
def test_a_cell_that_fails_silently_fails_the_build(tmp_path: Path, broken: str) -> None:
    done = nbval(lesson(tmp_path, [broken], run=False))
    assert done.returncode == 1, done.stdout
    assert "1 failed, 1 passed" in done.stdout


def test_other_output_fails_the_build(tmp_path: Path) -> None:
    path = lesson(tmp_path, ["%%shell\necho one"], run=True)
    path.write_text(path.read_text().replace("one\\n", "two\\n"))
    done = nbval(path)
    assert done.returncode == 1, done.stdout
    assert "Cell outputs differ" in done.stdout


def test_what_steers_a_terminal_makes_no_difference(tmp_path: Path) -> None:
    path = lesson(tmp_path, ["print('\\x1b[2K\\x1b[36mweb-1  | \\x1b[0mready')"], run=True)
    book = nbformat.read(path, as_version=4)
    book.cells[1].outputs[0].text = "web-1  | ready\n"
    nbformat.write(book, path)
    done = nbval(path)
    assert done.returncode == 0, done.stdout


@pytest.mark.engine
@pytest.mark.timeout(300)
def test_two_runs_of_typical_output_compare_as_equal(tmp_path: Path, mark: str) -> None:
    done = nbval(lesson(tmp_path, [cell.replace("MARK", mark) for cell in TYPICAL], run=True))
    assert done.returncode == 0, done.stdout


@pytest.mark.engine
@pytest.mark.timeout(300)
def test_two_runs_of_kubectl_compare_as_equal(
    tmp_path: Path, mark: str, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    cells = [cell.replace("MARK", mark) for cell in TYPICAL_OF_KUBECTL]
    done = nbval(lesson(tmp_path, cells, run=True))
    assert done.returncode == 0, done.stdout
