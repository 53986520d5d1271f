"""Trees of objects: given by hand, and those of a real cluster."""

from pathlib import Path
from typing import Any

import pytest

from lab.notebook.cluster import inventory, without_labels
from lab.notebook.errors import LessonError
from lab.notebook.objecttree import _mermaid, _text, object_tree

from ..cluster.conftest import Cluster
from .programs import put_program

Obj = dict[str, Any]


def obj(
    kind: str, name: str, owner: str = "", labels: dict[str, str] | None = None, **more: Any
) -> Obj:
    meta: Obj = {
        "name": name,
        "uid": f"uid of {kind} {name}",
        "labels": labels or {},
        **more.pop("metadata", {}),
    }
    if owner:
        meta["ownerReferences"] = [{"uid": f"uid of {owner}", "controller": True}]
    return {"kind": kind, "metadata": meta, **more}


def pod(
    name: str,
    owner: str = "",
    *,
    labels: dict[str, str] | None = None,
    state: Obj | None = None,
    ready: bool = True,
    restarts: int = 0,
) -> Obj:
    container = {"name": "web", "state": state or {"running": {}}, "restartCount": restarts}
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": str(ready)}],
        "containerStatuses": [container],
    }
    spec = {"containers": [{"name": "web", "image": "nginx"}]}
    return obj(
        "Pod", name, owner, labels, spec=spec, status=status, metadata={"generateName": "site-7f-"}
    )


def site(*pods: Obj) -> list[Obj]:
    ready = {"readyReplicas": len(pods)}
    return [
        obj(
            "Deployment",
            "site",
            labels={"lesson": "17"},
            spec={"replicas": len(pods)},
            status=ready,
        ),
        obj("ReplicaSet", "site-7f", "Deployment site", spec={"replicas": len(pods)}, status=ready),
        *pods,
    ]


def tree(objects: list[Obj], label: str | None = None) -> list[str]:
    return _text(without_labels(inventory(objects, label))).splitlines()


def test_the_whole_way_down() -> None:
    assert tree(site(pod("site-7f-a", "ReplicaSet site-7f"))) == [
        "Deployment site  1/1 ready",
        "└─ ReplicaSet site-7f  1/1 ready",
        "   └─ Pod site-7f-a  Running, ready",
        "      └─ container web  image nginx, running",
    ]


def test_a_label_brings_along_what_its_objects_own_and_nothing_else() -> None:
    everything = [*site(pod("site-7f-a", "ReplicaSet site-7f")), pod("other")]
    assert tree(everything, "lesson=17") == tree(everything[:-1])
    assert tree(everything, "lesson=18") == ["(nothing here yet)"]


def test_an_object_whose_owner_has_the_label_too_stands_below_it() -> None:
    labels = {"lesson": "17"}
    both = [
        obj("ReplicaSet", "site", labels=labels, spec={"replicas": 1}),
        pod("site-a", "ReplicaSet site", labels=labels),
    ]
    assert tree(both, "lesson=17") == [
        "ReplicaSet site  0/1 ready",
        "└─ Pod site-a  Running, ready",
        "   └─ container web  image nginx, running",
    ]


def test_labels_of_pods_are_shown_without_those_that_controllers_add() -> None:
    labels = {"tier": "front", "app": "site", "pod-template-hash": "7f"}
    found = inventory([pod("site-a", labels=labels)], "tier=front")
    assert _text(found).splitlines() == [
        "Pod site-a  Running, ready",
        "├─ labels app=site, tier=front",
        "└─ container web  image nginx, running",
    ]
    assert "Running, ready<br/>labels app=site, tier=front" in _mermaid(found)
    assert _text(without_labels(found)).splitlines() == [
        "Pod site-a  Running, ready",
        "└─ container web  image nginx, running",
    ]
    assert "labels" not in _mermaid(without_labels(found))


def test_random_names_do_not_shuffle_what_differs() -> None:
    calm = [
        pod("site-7f-a", "ReplicaSet site-7f"),
        pod("site-7f-b", "ReplicaSet site-7f", restarts=2),
    ]
    other = [
        pod("site-7f-a", "ReplicaSet site-7f", restarts=2),
        pod("site-7f-b", "ReplicaSet site-7f"),
    ]
    first, second = tree(site(*calm)), tree(site(*other))
    assert [line.replace("-a", "-?").replace("-b", "-?") for line in first] == [
        line.replace("-a", "-?").replace("-b", "-?") for line in second
    ]
    assert first[-1].endswith("running, 2 restarts")


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({"waiting": {"reason": "ImagePullBackOff"}}, "waiting (ImagePullBackOff)"),
        ({"terminated": {"exitCode": 3}}, "exited (3)"),
        ({"waiting": {}}, "not started"),
    ],
)
def test_a_container_says_what_it_waits_for(state: Obj, says: str) -> None:
    assert tree([pod("hello", state=state, ready=False)]) == [
        "Pod hello  Running, not ready",
        f"└─ container web  image nginx, {says}",
    ]


def test_a_pod_that_no_node_takes_says_so() -> None:
    waiting = pod("hello")
    waiting["status"] = {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}],
    }
    assert tree([waiting]) == [
        "Pod hello  Pending (Unschedulable), not ready",
        "└─ container web  image nginx, not started",
    ]


@pytest.mark.parametrize(
    ("kind", "spec", "status", "says"),
    [
        ("Job", {"completions": 3}, {"succeeded": 2}, "2/3 done"),
        ("DaemonSet", {}, {"numberReady": 1, "desiredNumberScheduled": 1}, "1/1 ready"),
        ("StatefulSet", {"replicas": 2}, {}, "0/2 ready"),
        ("CronJob", {"schedule": "0 6 * * *"}, {}, "at 0 6 * * *"),
    ],
)
def test_each_controller_counts_in_its_own_way(
    kind: str, spec: Obj, status: Obj, says: str
) -> None:
    assert tree([obj(kind, "it", spec=spec, status=status)]) == [f"{kind} it  {says}"]


def service(**spec: Any) -> Obj:
    ports = [{"port": 80, "targetPort": 8000, "nodePort": 30170}]
    return obj(
        "Service",
        "site",
        spec={"type": "NodePort", "ports": ports, "selector": {"app": "site"}, **spec},
    )


def endpoints(*ends: Obj) -> Obj:
    labels = {"kubernetes.io/service-name": "site"}
    return obj(
        "EndpointSlice",
        "site-x",
        "Service site",
        labels,
        endpoints=list(ends),
        ports=[{"port": 8000}],
    )


def test_a_service_names_its_endpoints_and_their_pods() -> None:
    ready = {
        "addresses": ["10.88.0.5"],
        "conditions": {"ready": True},
        "targetRef": {"kind": "Pod", "name": "site-7f-b"},
    }
    starting = {
        "addresses": ["10.88.0.4"],
        "conditions": {"ready": False},
        "targetRef": {"kind": "Pod", "name": "site-7f-a"},
    }
    outside = {"addresses": ["192.0.2.9"], "conditions": {}}
    assert tree([service(), endpoints(starting, ready, outside)]) == [
        "Service site  NodePort, 80 -> 8000, 30170 on every node",
        "├─ selects app=site",
        "├─ endpoint 192.0.2.9:8000",
        "├─ endpoint 10.88.0.5:8000 -> Pod site-7f-b",
        "└─ endpoint 10.88.0.4:8000 (not ready) -> Pod site-7f-a",
    ]


def test_a_service_without_endpoints_says_so() -> None:
    assert tree([service(), endpoints()])[1:] == ["├─ selects app=site", "└─ no endpoints"]


def test_a_service_without_a_selector_says_so() -> None:
    assert tree([service(selector={}), endpoints()])[1] == "├─ selects nothing"


def test_the_picture_links_a_service_to_the_pod_in_the_tree() -> None:
    end = {"addresses": ["10.88.0.5"], "targetRef": {"kind": "Pod", "name": "site-7f-a"}}
    source = _mermaid(
        inventory([*site(pod("site-7f-a", "ReplicaSet site-7f")), service(), endpoints(end)], None)
    ).splitlines()
    (pod_node,) = [line.split("(")[0].strip() for line in source if "site-7f-a" in line]
    assert any(line.endswith(f'-. "10.88.0.5:8000" .-> {pod_node}') for line in source)


def test_containers_of_one_name_in_two_pods_are_two() -> None:
    source = _mermaid(inventory([pod("one"), pod("two")], None))
    assert source.count('[["<b>web</b>') == 2


@pytest.fixture
def fake_kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubectl that does what the test writes into it."""
    put_program(tmp_path, "kubectl", "")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "kubectl"


def test_a_cluster_that_is_not_there_is_said_plainly(fake_kubectl: Path) -> None:
    fake_kubectl.write_text(
        "#!/bin/sh\necho noise >&2\necho 'The connection was refused' >&2\nexit 1\n"
    )
    with pytest.raises(
        LessonError,
        match=r"The cluster does not answer\.\nThe connection was refused\nTry: kubectl",
    ):
        object_tree()


def test_kinds_that_may_not_be_listed_are_left_out(fake_kubectl: Path) -> None:
    answer = (
        '{"items": [{"kind": "Pod", "metadata": {"name": "hello", "uid": "1"}, "spec":'
        ' {"containers": []}}]}'
    )
    fake_kubectl.write_text(
        f"#!/bin/sh\necho '{answer}'\necho 'jobs.batch is forbidden' >&2\nexit 1\n"
    )
    assert str(object_tree()) == "Pod hello  Pending, not ready"


def test_no_kubectl_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LessonError, match="There is no kubectl here"):
        object_tree()


@pytest.mark.engine
def test_a_deployment_and_its_service_on_a_real_cluster(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    cluster.kubectl("create deployment site --image=nginx")
    cluster.kubectl("label deployment site lesson=tree")
    cluster.kubectl("expose deployment site --port=8080 --target-port=80")
    cluster.kubectl("wait --for=condition=Available deployment/site --timeout=60s")
    address = cluster.kubectl("get pod -l app=site -o jsonpath='{.items[0].status.podIP}'")
    name = cluster.kubectl("get pod -l app=site -o jsonpath='{.items[0].metadata.name}'")
    assert str(object_tree(label="lesson=tree")).splitlines() == [
        "Deployment site  1/1 ready",
        f"└─ ReplicaSet {name.rpartition('-')[0]}  1/1 ready",
        f"   └─ Pod {name}  Running, ready",
        "      └─ container nginx  image nginx, running",
        "Service site  ClusterIP, 8080 -> 80",
        "├─ selects app=site",
        f"└─ endpoint {address}:80 -> Pod {name}",
    ]
    cluster.kubectl("delete deployment,service -l lesson=tree --cascade=foreground")
    assert str(object_tree(label="lesson=tree")) == "(nothing here yet)"
