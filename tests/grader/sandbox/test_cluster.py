"""A sandbox with a cluster: the student's kernel and the checker's work with it, each with rights
of its own, and it holds its own ground.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from grader.run.local import ensure_sandbox_image
from grader.sandbox.docker import DockerSandbox
from grader.sandbox.interface import SandboxLimits
from lab.machine.host import ensure_engine

from .shells import shell

pytestmark = [pytest.mark.machine, pytest.mark.grading, pytest.mark.timeout(300)]
SERVE = "mkdir /www; echo Welcome > /www/index.html; exec httpd -f -h /www"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[DockerSandbox]:
    client = ensure_engine()
    with DockerSandbox(client, ensure_sandbox_image(client), SandboxLimits(), nodes=1) as made:
        yield made


def test_each_kernel_is_somebody_else(sandbox: DockerSandbox) -> None:
    who = (
        "kubectl auth whoami -o jsonpath={.status.userInfo.username}; kubectl config"
        " current-context"
    )
    assert shell(sandbox.student, who) == "studentlab"
    assert shell(sandbox.checker, who) == "kubernetes-adminlab"
    assert shell(sandbox.student, "kubectl auth can-i create deployments") == "yes"
    assert (
        shell(sandbox.student, "kubectl auth can-i patch deployments --subresource=status") == "no"
    )
    assert "kubeconfig" not in shell(sandbox.student, "ls -R /sockets/checker")


def test_what_the_student_makes_the_checker_sees_and_reaches(sandbox: DockerSandbox) -> None:
    made = shell(
        sandbox.student,
        f"kubectl create deployment web --image=busybox --replicas=2 --port=80 -- sh -c '{SERVE}'"
        " && kubectl create service nodeport web --tcp=80 --node-port=30080 && kubectl rollout"
        " status deployment/web --timeout=60s && kubectl run client --image=busybox"
        " --restart=Never -- wget -qO- http://web.default.svc.cluster.local && kubectl wait"
        " pod/client --for=jsonpath={.status.phase}=Succeeded --timeout=30s && kubectl logs"
        " client",
    )
    assert made.endswith("Welcome"), made
    for kernel in (sandbox.student, sandbox.checker):
        assert (
            shell(
                kernel,
                "curl -s --retry 20 --retry-connrefused --retry-delay 1 http://localhost:30080/",
            )
            == "Welcome"
        )
        assert shell(kernel, "kubectl exec deployment/web -- echo inside") == "inside"
    found: Any = json.loads(shell(sandbox.checker, "kubectl get deployment web -o json"))
    assert found["status"]["readyReplicas"] == 2
    assert "node/lab" in shell(sandbox.checker, "kubectl get nodes -o name")


def test_pods_are_told_what_is_not_available(sandbox: DockerSandbox) -> None:
    overrides = json.dumps({"spec": {"hostNetwork": True}})
    shell(
        sandbox.student, f"kubectl run host --image=busybox --overrides='{overrides}' -- sleep 60"
    )
    deadline = time.monotonic() + 60
    while "not available in grading" not in (
        events := shell(sandbox.student, "kubectl events --for pod/host")
    ):
        assert time.monotonic() < deadline, events
        time.sleep(0.5)
    shell(sandbox.student, "kubectl delete pod host --force --grace-period=0")


def test_a_sandbox_without_has_no_trace_of_one() -> None:
    client = ensure_engine()
    with DockerSandbox(client, ensure_sandbox_image(client), SandboxLimits()) as plain:
        assert "refused" in shell(plain.student, "kubectl get pods")
        assert "k8s" not in shell(plain.checker, "docker ps -a; docker network ls; ls -R /sockets")
        assert "kubeconfig" not in shell(plain.checker, "env; ls -R /sockets")


def test_the_end_of_the_cluster_is_the_end_of_the_sandbox() -> None:
    client = ensure_engine()
    with DockerSandbox(client, ensure_sandbox_image(client), SandboxLimits(), nodes=1) as made:
        killing = ["pkill", "-KILL", "-f", "lab.cluster"]
        client.api.exec_start(
            client.api.exec_create(made.container("engine"), killing, user=str(made.users.student))[
                "Id"
            ]
        )
        deadline = time.monotonic() + 60
        while made.runs():
            assert time.monotonic() < deadline
            time.sleep(0.1)
