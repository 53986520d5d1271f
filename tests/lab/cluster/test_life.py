"""Pods, Deployments and Services that behave: what a learner does, and what happens behind the cluster's back."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from .conftest import start

pytestmark = [pytest.mark.engine, pytest.mark.any_cluster, pytest.mark.timeout(300)]


def eventually(what, seconds: float = 30) -> None:
    """Until ``what()`` is true."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def containers(label: str) -> list[str]:
    done = subprocess.run(
        ["docker", "ps", "-aq", "--filter", f"label={label}"], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_killed_container_is_started_again(pocket, cleaned) -> None:
    cleaned.kubectl("run loop --image=busybox -- sleep 3600")
    cleaned.kubectl("wait --for=condition=Ready pod/loop --timeout=60s")
    identity = cleaned.kubectl("get pod loop -o jsonpath={.status.containerStatuses[0].containerID}").removeprefix(
        "docker://"
    )
    subprocess.run(["docker", "kill", identity], check=True, capture_output=True)
    eventually(lambda: cleaned.kubectl("get pod loop -o jsonpath={.status.containerStatuses[0].restartCount}") == "1")
    cleaned.kubectl("wait --for=condition=Ready pod/loop --timeout=60s")


def test_deleted_pod_leaves_nothing_on_the_engine(pocket, cleaned) -> None:
    manifest = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tidy"},
        "spec": {
            "volumes": [{"name": "scratch", "emptyDir": {}}],
            "containers": [{"name": "c", "image": "busybox", "command": ["sleep", "3600"], "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}],
        },
    }  # fmt: skip
    cleaned.kubectl("apply -f -", stdin=json.dumps(manifest))
    cleaned.kubectl("wait --for=condition=Ready pod/tidy --timeout=60s")
    label = f"io.kubernetes.pod.uid={cleaned.kubectl('get pod tidy -o jsonpath={.metadata.uid}')}"
    assert len(containers(label)) == 2  # the container and its sandbox
    cleaned.kubectl("delete pod tidy --grace-period=1")
    assert containers(label) == []
    volumes = subprocess.run(
        ["docker", "volume", "ls", "-q", "--filter", f"label={label}"], capture_output=True, text=True, check=True
    )
    assert volumes.stdout == ""


def test_service_is_reached_by_name_from_another_pod(cleaned) -> None:
    cleaned.kubectl("create deployment web --image=nginx --port=80 --replicas=2")
    cleaned.kubectl("expose deployment web --port=8080 --target-port=80")
    cleaned.kubectl("run client --image=busybox -- sleep 3600")
    cleaned.kubectl("rollout status deployment/web --timeout=90s")
    cleaned.kubectl("wait --for=condition=Ready pod/client --timeout=60s")
    assert "<html" in cleaned.kubectl("exec client -- wget -qO- http://web:8080/").lower()
    assert (
        "<html"
        in cleaned.kubectl(f"exec client -- wget -qO- http://web.{cleaned.namespace}.svc.cluster.local:8080/").lower()
    )


def test_pod_of_a_service_account_asks_the_api(cleaned) -> None:
    cleaned.kubectl("run asker --image=nginx")
    cleaned.kubectl("wait --for=condition=Ready pod/asker --timeout=60s")
    folder = "/var/run/secrets/kubernetes.io/serviceaccount"
    token = cleaned.kubectl(f"exec asker -- cat {folder}/token")
    with cleaned.http() as http:
        http.headers["Authorization"] = f"Bearer {token}"
        assert http.get(f"/api/v1/namespaces/{cleaned.namespace}/secrets").status_code == 403
        who = http.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json={}).json()
    assert who["status"]["userInfo"]["username"] == f"system:serviceaccount:{cleaned.namespace}:default"


def test_state_and_pods_survive_a_restart(tmp_path: Path) -> None:
    first = start(tmp_path, "--port", "0", "--data", str(tmp_path / "data"))
    try:
        first.kubectl("run kept --image=busybox -- sleep 3600")
        first.kubectl("wait --for=condition=Ready pod/kept --timeout=60s")
        identity = first.kubectl("get pod kept -o jsonpath={.status.containerStatuses[0].containerID}")
    finally:
        first.stop()
    again = start(tmp_path, "--port", "0", "--data", str(tmp_path / "data"))
    try:
        again.kubectl("wait --for=condition=Ready pod/kept --timeout=60s")
        assert again.kubectl("get pod kept -o jsonpath={.status.containerStatuses[0].containerID}") == identity
        assert again.kubectl("exec kept -- echo alive") == "alive"
        again.kubectl("delete pod kept --grace-period=1")
    finally:
        again.stop()
