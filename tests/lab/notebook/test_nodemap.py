"""Pods in the boxes of their nodes."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab.notebook.nodemap import node_map

from .programs import put_program

Obj = dict[str, Any]


def node(name: str, ready: str = "True") -> Obj:
    conditions = [{"type": "Ready", "status": ready}]
    return {
        "kind": "Node",
        "metadata": {"name": name, "uid": name},
        "status": {"conditions": conditions},
    }


def pod(name: str, where: str, image: str, label: str = "17", **meta: str) -> Obj:
    spec = {"containers": [{"name": "c", "image": image}]}
    ready = [{"type": "Ready", "status": "True"}]
    return {
        "kind": "Pod",
        "metadata": {"name": name, "uid": name, "labels": {"lesson": label}} | meta,
        "spec": spec | ({"nodeName": where} if where else {}),
        "status": {
            "phase": "Running" if where else "Pending",
            "conditions": ready if where else [],
        },
    }


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Draw the map of a cluster with these objects."""

    def drawn(*objects: Obj, label: str | None = None) -> Any:
        put_program(tmp_path, "kubectl", f"cat {tmp_path}/answer")
        (tmp_path / "answer").write_text(json.dumps({"items": list(objects)}))
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        return node_map(label)

    return drawn


def test_each_pod_is_on_its_node(show: Any) -> None:
    lost = pod("site-2", "lab-2", "nginx", deletionTimestamp="2026-01-01T00:00:00Z")
    found = [node("lab"), node("lab-2", "Unknown"), node("lab-3"), lost]
    found += [pod("site-1", "lab", "nginx"), pod("cache-1", "lab", "redis")]
    assert str(show(*found)).splitlines() == [
        "Node lab  Ready",
        "├─ Pod cache-1  redis; Running, ready",
        "└─ Pod site-1  nginx; Running, ready",
        "Node lab-2  NotReady",
        "└─ Pod site-2  nginx; Terminating",
        "Node lab-3  Ready",
    ]


def test_a_pod_without_a_node_comes_last(show: Any) -> None:
    drawn = str(show(node("lab"), pod("waits", "", "nginx")))
    assert drawn.splitlines()[1:] == ["on no node yet", "└─ Pod waits  nginx; Pending, not ready"]


def test_a_label_leaves_its_pods_and_all_nodes(show: Any) -> None:
    found = [node("lab"), pod("site", "lab", "nginx"), pod("mine", "lab", "nginx", label="none")]
    assert str(show(*found, label="lesson=17")).splitlines() == [
        "Node lab  Ready",
        "└─ Pod site  nginx; Running, ready",
    ]


def test_where_nodes_may_not_be_listed_pods_still_name_theirs(show: Any) -> None:
    assert str(show(pod("site", "worker-7", "nginx"))).splitlines()[0] == "Node worker-7  Ready"


def test_the_picture_has_the_same_boxes(show: Any) -> None:
    found = [node("lab"), node("lab-2"), pod("one", "lab", "nginx"), pod("two", "lab", "nginx")]
    drawn = show(*found)._repr_mimebundle_()["text/vnd.mermaid"]
    source = "\n".join(line.strip() for line in drawn.splitlines())
    assert source.count("subgraph") == 2
    empty = ["direction TB", 'm1p0["no Pod"]:::none', "end"]
    assert "\n".join(['subgraph m1["Node lab-2: Ready"]', *empty]) in source
    assert "m0 ~~~ m1" in source
    assert "m0p0 ~~~ m0p1" in source
    assert "<b>two</b><br/>nginx#59; Running, ready" in source


def test_nothing_at_all_says_so(show: Any) -> None:
    assert str(show()) == "(nothing here yet)"
