"""A lesson adds machines and switches them off only where the cluster is the lab's own."""

from pathlib import Path

import pytest

from lab.notebook.errors import LessonError
from lab.notebook.machines import one_node, own_nodes

from .programs import put_program

# `lab nodes 1` writes down that it was called; then the cluster has one node.
LAB = 'echo "$@" > {folder}/asked; rm -f {folder}/more'
KUBECTL = "echo node/lab; if test -e {folder}/more; then echo node/lab-2; echo node/lab-3; fi"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pretended cluster of the lab's own, with three nodes, and the folder that plays it."""
    put_program(tmp_path, "lab", LAB.format(folder=tmp_path))
    put_program(tmp_path, "kubectl", KUBECTL.format(folder=tmp_path))
    (tmp_path / "more").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("LAB_CLUSTER", "own")
    return tmp_path


def test_nodes_of_the_labs_own_cluster_are_ours(
    cluster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert own_nodes()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kind", ["current", "none", None])
def test_elsewhere_the_cell_says_what_it_would_need(
    kind: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LAB_CLUSTER", raising=False)
    if kind:
        monkeypatch.setenv("LAB_CLUSTER", kind)
    assert not own_nodes()
    (said,) = capsys.readouterr().out.splitlines()
    assert "Nothing is done here" in said
    assert "bin/lab up --cluster own" in said


def test_a_cluster_of_three_goes_back_to_one(
    cluster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one_node()
    assert (cluster / "asked").read_text() == "nodes 1\n"
    said = capsys.readouterr().out
    assert said == "The cluster has one node again; lab-2, lab-3 had been added.\n"


def test_a_cluster_of_one_is_left_alone(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (cluster / "more").unlink()
    one_node()
    assert not (cluster / "asked").exists()
    assert capsys.readouterr().out == ""


def test_somebody_elses_cluster_is_left_alone(
    cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_CLUSTER", "current")
    one_node()
    assert not (cluster / "asked").exists()


def test_what_does_not_work_is_said(cluster: Path) -> None:
    put_program(cluster, "lab", "echo 'lab-2 still has containers.' >&2; exit 1")
    with pytest.raises(LessonError, match=r"one node\.\nlab-2 still has containers"):
        one_node()
