"""A cluster of several nodes: Pods reach each other, nodes are emptied, lose their power, come
back.
"""

import ipaddress
import json
import subprocess
from collections.abc import Iterator

import pytest

from .conftest import Cluster, start
from .test_life import containers, eventually

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

# Seconds until silence is noticed: a real cluster waits 50.
GRACE = "5"
SERVE = "hostname > /index.html; exec httpd -f -p 80"
MACHINE = "io.kubernetes.node.name"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of three nodes."""
    folder = tmp_path_factory.mktemp("three")
    running = start(folder, "--port", "0", "--nodes", "3", "--node-monitor-grace-period", GRACE)
    running.kubectl("wait --for=condition=Ready node --all --timeout=60s")
    yield running
    running.stop()


@pytest.fixture
def web(three: Cluster) -> Iterator[list[str]]:
    """The names of a Deployment's three Pods, one on each node, which a Service serves."""
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "tolerations": [{"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}],
            "containers": [{"name": "c", "image": "busybox", "command": ["sh", "-c", SERVE]}],
        },
    }
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    meta = {"name": "web"}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
    three.kubectl("apply -f -", stdin=json.dumps(deployment))
    three.kubectl("rollout status deployment/web --timeout=120s")
    three.kubectl("expose deployment web --type=NodePort --port=80")
    eventually(lambda: len(addresses(three)) == 3)
    yield three.kubectl("get pods -l app=web -o jsonpath={.items[*].metadata.name}").split()
    three.kubectl("delete deployment,service web")
    three.kubectl("delete pod -l app=web --wait")


def names(cluster: Cluster) -> list[str]:
    return cluster.kubectl("get nodes -o jsonpath={.items[*].metadata.name}").split()


def node_of(cluster: Cluster, pod: str) -> str:
    return cluster.kubectl(f"get pod {pod} -o jsonpath={{.spec.nodeName}}")


def on(cluster: Cluster, node: str) -> list[str]:
    """The Pods of the Deployment on a node."""
    chosen = f"get pods -l app=web --field-selector spec.nodeName={node}"
    return cluster.kubectl(f"{chosen} -o jsonpath={{.items[*].metadata.name}}").split()


def addresses(cluster: Cluster) -> list[str]:
    """The addresses that the Service leads to."""
    chosen = "get endpointslices -l kubernetes.io/service-name=web"
    ready = "{.items[*].endpoints[?(@.conditions.ready==true)].addresses[0]}"
    return cluster.kubectl(f"{chosen} -o jsonpath='{ready}'").split()


def power(cluster: Cluster, node: str, state: str) -> None:
    cluster.kubectl(f"annotate --overwrite node {node} lab/power={state}")


def get(url: str) -> str:
    done = subprocess.run(["curl", "-sfm", "10", url], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def test_each_node_has_its_own_address_and_range_of_pods(three: Cluster) -> None:
    nodes = json.loads(three.kubectl("get nodes -o json"))["items"]
    first, *others = names(three)
    assert others == [f"{first}-2", f"{first}-3"]
    assert [node["spec"]["podCIDR"] for node in nodes] == [
        "10.244.0.0/24",
        "10.244.1.0/24",
        "10.244.2.0/24",
    ]
    assert len({node["status"]["addresses"][0]["address"] for node in nodes}) == 3
    assert [node["metadata"]["labels"]["kubernetes.io/hostname"] for node in nodes] == names(three)
    listed = three.kubectl("get nodes").splitlines()[1:]
    assert [line.split()[1:3] for line in listed] == [
        ["Ready", "control-plane"],
        ["Ready", "<none>"],
        ["Ready", "<none>"],
    ]


def test_pods_reach_each_other_and_services_from_every_node(three: Cluster, web) -> None:
    assert sorted(node_of(three, pod) for pod in web) == names(three)
    for pod in web:
        assert three.kubectl(f"logs {pod}") == ""
        assert three.kubectl(f"exec {pod} -- hostname") == pod
        for other in web:
            address = three.kubectl(f"get pod {other} -o jsonpath={{.status.podIP}}")
            assert three.kubectl(f"exec {pod} -- wget -qO- -T 20 http://{address}") == other
        assert three.kubectl(f"exec {pod} -- wget -qO- -T 20 http://web") in web
    port = three.kubectl("get service web -o jsonpath={.spec.ports[0].nodePort}")
    for node in names(three):
        address = three.kubectl(f"get node {node} -o jsonpath={{.status.addresses[0].address}}")
        eventually(lambda address=address: get(f"http://{address}:{port}") in web)


def test_file_is_copied_to_and_from_another_node(three: Cluster, web, tmp_path) -> None:
    (pod,) = on(three, names(three)[2])
    (tmp_path / "sent").write_text("here")
    three.kubectl(f"cp {tmp_path}/sent {pod}:/tmp/sent")
    three.kubectl(f"cp {pod}:/tmp/sent {tmp_path}/back")
    assert (tmp_path / "back").read_text() == "here"


def test_drained_node_is_empty_and_is_used_again_when_uncordoned(three: Cluster, web) -> None:
    _, second, third = names(three)
    three.kubectl(f"drain {second} --ignore-daemonsets --timeout=120s")
    try:
        three.kubectl("rollout status deployment/web --timeout=120s")
        assert on(three, second) == []
        described = three.kubectl(f"describe node {second}")
        assert "node.kubernetes.io/unschedulable:NoSchedule" in described
        assert f"{second}   Ready,SchedulingDisabled" in three.kubectl("get nodes")
    finally:
        three.kubectl(f"uncordon {second}")
    three.kubectl("scale deployment/web --replicas=6")
    three.kubectl("rollout status deployment/web --timeout=120s")
    assert len(on(three, second)) == 2
    assert len(on(three, third)) == 2


def test_daemon_set_runs_on_a_node_that_is_added_and_goes_with_it(three: Cluster) -> None:
    fourth = f"{names(three)[0]}-4"
    template = {
        "metadata": {"labels": {"app": "agent"}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "c", "image": "busybox", "command": ["sleep", "3600"]}],
        },
    }
    spec = {"selector": {"matchLabels": {"app": "agent"}}, "template": template}
    meta = {"name": "agent"}
    daemons = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": meta, "spec": spec}
    three.kubectl("apply -f -", stdin=json.dumps(daemons))
    try:
        three.kubectl("rollout status daemonset/agent --timeout=120s")
        node = {"metadata": {"name": fourth, "annotations": {"lab/power": "on"}}}
        three.kubectl("create -f -", stdin=json.dumps({"apiVersion": "v1", "kind": "Node"} | node))
        ready = "get daemonset agent -o jsonpath={.status.numberReady}"
        eventually(lambda: three.kubectl(ready) == "4")
        assert len(containers(f"{MACHINE}={fourth}")) == 2  # the container and its sandbox
        three.kubectl(f"delete node {fourth}")
        eventually(lambda: containers(f"{MACHINE}={fourth}") == [])
        eventually(lambda: three.kubectl(ready) == "3")
    finally:
        three.kubectl("delete daemonset agent")


def test_node_that_loses_its_power_is_replaced_and_comes_back(three: Cluster, web) -> None:
    first, second, _ = names(three)
    (lost,) = on(three, second)
    address = three.kubectl(f"get pod {lost} -o jsonpath={{.status.podIP}}")
    uid = three.kubectl(f"get pod {lost} -o jsonpath={{.metadata.uid}}")
    power(three, second, "off")
    three.kubectl(f"wait --for=condition=Ready=Unknown node/{second} --timeout=120s")
    described = three.kubectl(f"describe node {second}")
    assert "node.kubernetes.io/unreachable:NoExecute" in described
    assert "node.kubernetes.io/unreachable:NoSchedule" in described
    assert "Kubelet stopped posting node status." in described
    assert "NotReady" in three.kubectl(f"get node {second}")
    eventually(lambda: address not in addresses(three))
    asked = three.run(f"kubectl logs {lost}")
    assert asked.returncode == 1
    assert "10250" in asked.stderr
    assert "no route to host" in asked.stderr
    # The Pod has to go, but nobody there can say that it has: another is made elsewhere.
    eventually(lambda: "Terminating" in three.kubectl(f"get pod {lost}"))
    eventually(lambda: len(addresses(three)) == 3)
    assert on(three, second) == [lost]
    power(three, second, "on")
    three.kubectl(f"wait --for=condition=Ready node/{second} --timeout=120s")
    three.kubectl(f"wait --for=delete pod/{lost} --timeout=120s")
    eventually(lambda: containers(f"io.kubernetes.pod.uid={uid}") == [])
    eventually(lambda: "unreachable" not in three.kubectl(f"describe node {second}"))
    assert three.kubectl(f"get node {first} -o jsonpath={{.spec.taints}}") == ""


def test_node_that_is_back_in_time_runs_its_pods_again(three: Cluster) -> None:
    third = names(three)[2]
    chosen = json.dumps({"spec": {"nodeName": third}})
    # which tolerates five minutes of silence, as all Pods do that do not say otherwise
    three.kubectl(f"run kept --image=busybox --overrides='{chosen}' -- sleep 3600")
    try:
        three.kubectl("wait --for=condition=Ready pod/kept --timeout=120s")
        power(three, third, "off")
        eventually(lambda: three.run("kubectl exec kept -- true").returncode != 0)
        power(three, third, "on")
        count = "get pod kept -o jsonpath={.status.containerStatuses[0].restartCount}"
        eventually(lambda: three.kubectl(count) == "1")
        three.kubectl("wait --for=condition=Ready pod/kept --timeout=120s")
        assert three.kubectl("exec kept -- hostname") == "kept"
    finally:
        power(three, third, "on")
        three.kubectl("delete pod kept --grace-period=1")


def test_address_that_is_taken_goes_to_no_pod(three: Cluster) -> None:
    second = names(three)[1]
    chosen = json.dumps({"spec": {"nodeName": second}})

    def address_of_new(pod: str) -> int:
        three.kubectl(f"run {pod} --image=busybox --overrides='{chosen}' -- sleep 3600")
        three.kubectl(f"wait --for=condition=Ready pod/{pod} --timeout=120s")
        address = three.kubectl(f"get pod {pod} -o jsonpath={{.status.podIP}}")
        return int(ipaddress.ip_address(address))

    first = address_of_new("first")
    taken = str(ipaddress.ip_address(first + 1))
    run = ["docker", "run", "--detach", "--rm", "--network", "kubernetes", "--ip", taken]
    done = subprocess.run(
        [*run, "busybox", "sleep", "600"], capture_output=True, text=True, check=True
    )
    try:
        assert address_of_new("second") == first + 2
    finally:
        subprocess.run(["docker", "rm", "-f", done.stdout.strip()], check=True, capture_output=True)
        three.kubectl("delete pod first second --ignore-not-found --grace-period=1")


def test_nodes_and_their_pods_are_there_after_a_restart(tmp_path) -> None:
    options = ("--port", "0", "--data", str(tmp_path / "data"))
    first = start(tmp_path, *options, "--nodes", "2")
    try:
        first.kubectl("wait --for=condition=Ready node --all --timeout=60s")
        first.kubectl("create deployment kept --image=busybox --replicas=2 -- sleep 3600")
        first.kubectl("rollout status deployment/kept --timeout=120s")
        shown = "get pods -o jsonpath={.items[*].status.podIP}"
        before = first.kubectl(shown)
    finally:
        first.stop()
    again = start(tmp_path, *options)
    try:
        again.kubectl("rollout status deployment/kept --timeout=120s")
        assert again.kubectl(shown) == before
        for pod in again.kubectl("get pods -o name").split():
            assert again.kubectl(f"exec {pod} -- echo alive") == "alive"
        # A new Pod's address is not that of one from before.
        again.kubectl("scale deployment/kept --replicas=4")
        again.kubectl("rollout status deployment/kept --timeout=120s")
        assert len(set(again.kubectl(shown).split())) == 4
        again.kubectl("delete deployment kept")
        again.kubectl("delete pod --all --grace-period=1")
    finally:
        again.stop()
