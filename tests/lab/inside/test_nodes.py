"""What is said where the nodes are not the lab's own, and where there are too few of them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lab.errors import LabError
from lab.inside.nodes import check_ready, nodes


@pytest.mark.parametrize(
    ("cluster", "said"), [("none", "has no cluster"), ("current", "uses somebody's own cluster")]
)
def test_a_lab_without_a_cluster_of_its_own_has_no_nodes(
    cluster: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_CLUSTER", cluster)
    error = CliRunner().invoke(nodes, ["3"]).exception
    assert isinstance(error, LabError)
    assert said in error.what


@pytest.mark.parametrize(
    ("cluster", "there", "what", "hint"),
    [
        ("own", {"lab": True}, "needs a cluster of 2 nodes. This lab's has lab.", "lab nodes 2"),
        (
            "own",
            {"lab": True, "lab-2": False},
            "This lab's has lab, lab-2; not Ready: lab-2.",
            "lab nodes --on lab-2",
        ),
        ("own", {}, "failed: ", "kubectl get nodes"),
        ("current", {"theirs": True}, "somebody's own cluster", "bin/lab up --cluster own"),
        ("none", {"lab": True, "lab-2": True}, "has no cluster", "bin/lab up --engine own"),
    ],
)
def test_too_few_nodes_are_named_with_what_to_do(
    cluster: str,
    there: dict[str, bool],
    what: str,
    hint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LAB_CLUSTER", cluster)
    pretend_kubectl(tmp_path, there, monkeypatch)
    with pytest.raises(LabError) as error:
        check_ready(2)
    assert what in error.value.what
    assert hint in error.value.hint


@pytest.mark.parametrize("cluster", ["own", "current"])
def test_nodes_that_are_ready_are_enough_on_each_cluster(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_CLUSTER", cluster)
    pretend_kubectl(tmp_path, {"a": True, "b": False, "c": True}, monkeypatch)
    check_ready(2)


def pretend_kubectl(folder: Path, nodes: dict[str, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubectl that lists these nodes, each Ready or not; it fails where there is none."""
    items = [
        {
            "metadata": {"name": name},
            "status": {"conditions": [{"type": "Ready", "status": str(ready)}]},
        }
        for name, ready in nodes.items()
    ]
    (folder / "listed").write_text(json.dumps({"items": items}))
    kubectl = folder / "kubectl"
    kubectl.write_text(f"#!/bin/sh\n{f'cat {folder}/listed' if nodes else 'exit 1'}\n")
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
