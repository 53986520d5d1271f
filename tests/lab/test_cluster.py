"""The cluster of a lab: its own, kept as its containers are; or somebody's own."""

import json
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..checkouts import Checkout, copy_checkout
from ..conftest import TestLab

pytestmark = [pytest.mark.machine, pytest.mark.timeout(600)]
DOCKER_SHOWS = (  # but for ages, which change by themselves
    "docker ps -a; docker network ls; docker images --format '{{.Repository}}:{{.Tag}} {{.ID}}"
    " {{.Size}}'; docker volume ls; docker system df"
)
FORWARDED = 16443


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    folder = tmp_path_factory.mktemp("checkout")
    copy_checkout(folder)
    if os.geteuid() == 0:
        os.chown(folder, 12345, 12345)
    made = Checkout(folder)
    yield made
    made.lab("down")


def told(checkout: Checkout) -> Any:
    return json.loads(checkout.lab("status", "--json"))["cluster"]


def ready(checkout: Checkout, seconds: float = 90) -> Any:
    deadline = time.monotonic() + seconds
    while not (cluster := told(checkout))["ready"]:
        assert time.monotonic() < deadline, cluster
    return cluster


def shell(checkout: Checkout, script: str) -> str:
    return checkout.lab("sh", "bash", "-c", script)


def test_kubectl_answers_in_the_lab(checkout: Checkout) -> None:
    checkout.up()
    assert ready(checkout) == {"kind": "own", "ready": True, "context": None, "namespace": None}
    assert (
        shell(checkout, "kubectl config current-context; kubectl get nodes -o name")
        == "lab\nnode/lab\n"
    )
    shell(
        checkout,
        "kubectl create namespace mine && kubectl config set-context --current --namespace mine",
    )
    assert shell(checkout, "kubectl config view --minify -o jsonpath={..namespace}") == "mine"
    assert "kubernetes-admin" in shell(checkout, "kubectl auth whoami")
    assert shell(checkout, 'command -v "$EDITOR"') == "/usr/bin/nano\n"  # for `kubectl edit`
    findings = {one["name"]: one for one in json.loads(checkout.lab("doctor", "--json"))}
    assert findings["cluster"] == {
        "name": "cluster",
        "state": "ok",
        "found": "its own: ready",
        "todo": "",
    }


def test_who_does_not_use_it_never_meets_it(checkout: Checkout) -> None:
    before = shell(checkout, DOCKER_SHOWS)
    assert "k8s" not in before
    assert "kubernetes" not in before
    shell(
        checkout,
        "kubectl run one --image=busybox -- sleep 600 && kubectl wait pod/one --for=condition=Ready"
        " --timeout=60s",
    )
    assert "k8s_one_one_mine" in shell(checkout, "docker ps")
    shell(checkout, "kubectl delete pod one --grace-period=1")
    deadline = time.monotonic() + 60
    while (after := shell(checkout, DOCKER_SHOWS)) != before:
        assert time.monotonic() < deadline, after
        time.sleep(1)


def test_objects_and_pods_come_back_with_the_engine(checkout: Checkout) -> None:
    shell(
        checkout,
        "kubectl create deployment kept --image=busybox -- sleep 600 && kubectl rollout status"
        " deployment/kept --timeout=60s",
    )
    checkout.container().kill()
    checkout.up()
    ready(checkout)
    shell(checkout, "kubectl -n mine rollout status deployment/kept --timeout=60s")
    name = shell(checkout, "kubectl -n mine get pods -l app=kept -o name").strip()
    assert shell(checkout, f"kubectl -n mine exec {name} -- echo alive") == "alive\n"


def test_a_cluster_that_crashed_comes_back(checkout: Checkout) -> None:
    checkout.container().exec_run(["bash", "-c", "kill -9 $(cat /run/lab/kubernetes/pid)"])
    ready(checkout)
    assert "deployment.apps/kept" in shell(checkout, "kubectl -n mine get deployments -o name")


def node_names(checkout: Checkout) -> list[str]:
    return shell(checkout, "kubectl get nodes -o jsonpath={.items[*].metadata.name}").split()


def test_nodes_are_added_switched_off_and_taken_away(checkout: Checkout) -> None:
    shown = checkout.lab("nodes", "3").splitlines()
    assert [line.split()[:2] for line in shown[1:]] == [
        ["lab", "Ready"],
        ["lab-2", "Ready"],
        ["lab-3", "Ready"],
    ]
    shell(
        checkout,
        "kubectl create deployment spread --image=busybox --replicas=3 -- sleep 600 && kubectl"
        " rollout status deployment/spread --timeout=120s",
    )
    running = "docker ps -q --filter label=io.kubernetes.node.name=lab-2 | wc -l"
    assert shell(checkout, running) == "2\n"  # the Pod's container and its sandbox
    checkout.lab("nodes", "--off", "lab-2")
    assert shell(checkout, running) == "0\n"
    checkout.lab("nodes", "--on", "lab-2")
    assert "control plane" in checkout.lab("nodes", "--off", "lab", expect=1)
    assert "There is no node lab-7" in checkout.lab("nodes", "--off", "lab-7", expect=1)
    checkout.lab("nodes", "3", "--off", "lab-2", expect=2)
    shell(checkout, "kubectl rollout status deployment/spread --timeout=120s")
    shell(checkout, "lab nodes 1")
    assert node_names(checkout) == ["lab"]
    assert shell(checkout, f"{running.replace('-q', '-aq')}") == "0\n"
    shell(checkout, "kubectl rollout status deployment/spread --timeout=120s")
    shell(checkout, "kubectl delete deployment spread")


def test_reset_gives_a_fresh_one(checkout: Checkout) -> None:
    checkout.lab("reset")
    ready(checkout)
    assert "mine" not in shell(checkout, "kubectl get namespaces")


class Forwarder:
    """A port of the loopback that leads to an address: where kind has its API server."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(
                    target=self._carry, args=(self.listener.accept()[0],), daemon=True
                ).start()

    def _carry(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(self.address) as server:
            while True:
                for one in select.select([client, server], [], [])[0]:
                    if not (data := one.recv(65536)):
                        return
                    (server if one is client else client).sendall(data)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture(scope="module")
def somebodys(
    test_lab: TestLab, checkout: Checkout, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Forwarder]:
    """Another lab's cluster, as the cluster of this machine's kubectl."""
    forwarding = ["socat", f"TCP-LISTEN:{FORWARDED},fork,reuseaddr", "TCP:127.0.0.1:6443"]
    container = checkout.client.containers.get(test_lab.name)
    container.exec_run(forwarding, detach=True)
    address = container.attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    forwarder = Forwarder((address, FORWARDED))
    config = yaml.safe_load(test_lab.run("cat", "/home/student/.kube/config").stdout)
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{forwarder.port}"
    path = tmp_path_factory.mktemp("machine") / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    checkout.environment["KUBECONFIG"] = str(path)
    yield forwarder
    del checkout.environment["KUBECONFIG"]


def namespaces(lab: TestLab) -> set[str]:
    return set(
        lab.run(
            "kubectl", "get", "namespaces", "-o", "jsonpath={.items[*].metadata.name}"
        ).stdout.split()
    )


def test_somebodys_own_cluster_is_used_in_a_namespace_of_its_own(
    checkout: Checkout, somebodys: Forwarder, test_lab: TestLab, tmp_path: Path
) -> None:
    test_lab.run("kubectl", "create", "namespace", "docker-course-theirs")
    before = namespaces(test_lab)
    checkout.lab("up", "--no-browser", "--port", checkout.port, "--cluster", "current")
    cluster = ready(checkout)
    assert (cluster["kind"], cluster["context"]) == ("current", "lab")
    assert namespaces(test_lab) - before == {cluster["namespace"]}
    assert shell(checkout, "kubectl get resourcequotas -o name") == "resourcequota/docker-course\n"
    shell(checkout, "kubectl create configmap mine --from-literal=a=b")
    seen = test_lab.run(
        "kubectl", "-n", cluster["namespace"], "get", "configmap", "mine", "-o", "name"
    )
    assert seen.stdout == "configmap/mine\n"
    checkout.up()
    assert told(checkout) == cluster, "up without --cluster keeps it"


def test_reset_and_down_remove_that_namespace_and_nothing_else(
    checkout: Checkout, somebodys: Forwarder, test_lab: TestLab
) -> None:
    first = told(checkout)["namespace"]
    checkout.lab("reset")
    second = ready(checkout)["namespace"]
    assert first != second
    assert first not in namespaces(test_lab)
    checkout.lab("down")
    left = namespaces(test_lab)
    assert second not in left
    assert {"docker-course-theirs", "default", "kube-system"} <= left
    assert checkout.left() == []


def test_cluster_that_does_not_answer_is_said(checkout: Checkout, somebodys: Forwarder) -> None:
    checkout.lab("up", "--no-browser", "--port", checkout.port, "--cluster", "current")
    somebodys.close()
    running = checkout.start("down")
    _, said = running.communicate(timeout=300)
    assert running.returncode == 0
    assert "could not be removed from the cluster of lab" in said
    assert checkout.left() == []
    refused = checkout.lab(
        "up", "--no-browser", "--port", checkout.port, "--cluster", "current", expect=1
    )
    assert "does not let the lab in" in refused
    assert checkout.left() == []
