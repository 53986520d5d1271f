"""Pods, Deployments and Services that behave: what a learner does, and what happens behind the
cluster's back.
"""

import json
import subprocess
import time
from pathlib import Path

import pytest

from .conftest import start

pytestmark = [pytest.mark.engine, pytest.mark.any_cluster, pytest.mark.timeout(300)]


def eventually(what, seconds: float = 90) -> None:
    """Until ``what()`` is true."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def containers(label: str) -> list[str]:
    done = subprocess.run(
        ["docker", "ps", "-aq", "--filter", f"label={label}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_killed_container_is_started_again(pocket, cleaned) -> None:
    cleaned.kubectl("run loop --image=busybox -- sleep 3600")
    cleaned.kubectl("wait --for=condition=Ready pod/loop --timeout=60s")
    identity = cleaned.kubectl(
        "get pod loop -o jsonpath={.status.containerStatuses[0].containerID}"
    ).removeprefix("docker://")
    subprocess.run(["docker", "kill", identity], check=True, capture_output=True)
    eventually(
        lambda: (
            cleaned.kubectl("get pod loop -o jsonpath={.status.containerStatuses[0].restartCount}")
            == "1"
        )
    )
    cleaned.kubectl("wait --for=condition=Ready pod/loop --timeout=60s")


def test_deleted_pod_leaves_nothing_on_the_engine(pocket, cleaned) -> None:
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "tidy"},
        "spec": {
            "volumes": [{"name": "scratch", "emptyDir": {}}],
            "containers": [
                {
                    "name": "c",
                    "image": "busybox",
                    "command": ["sleep", "3600"],
                    "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
                }
            ],
        },
    }
    cleaned.kubectl("apply -f -", stdin=json.dumps(manifest))
    cleaned.kubectl("wait --for=condition=Ready pod/tidy --timeout=60s")
    label = f"io.kubernetes.pod.uid={cleaned.kubectl('get pod tidy -o jsonpath={.metadata.uid}')}"
    assert len(containers(label)) == 2  # the container and its sandbox
    cleaned.kubectl("delete pod tidy --grace-period=1")
    assert containers(label) == []
    volumes = subprocess.run(
        ["docker", "volume", "ls", "-q", "--filter", f"label={label}"],
        capture_output=True,
        text=True,
        check=True,
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
        in cleaned.kubectl(
            f"exec client -- wget -qO- http://web.{cleaned.namespace}.svc.cluster.local:8080/"
        ).lower()
    )


@pytest.fixture
def volumes(cleaned, tmp_path: Path):
    """Two persistent volumes, each a folder of the node's."""
    manifests = [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"folder-{number}"},
            "spec": {
                "capacity": {"storage": "10Mi"},
                "accessModes": ["ReadWriteOnce"],
                "hostPath": {"path": str(tmp_path / str(number)), "type": "DirectoryOrCreate"},
            },
        }
        for number in range(2)
    ]
    cleaned.kubectl(
        "apply -f -", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    )
    yield
    cleaned.kubectl("delete statefulset,pod,pvc --all --grace-period=1 --wait")
    cleaned.kubectl("delete pv folder-0 folder-1 --wait")


def test_stateful_set_keeps_what_its_pods_wrote(pocket, volumes, cleaned) -> None:
    """Each Pod mounts a claim of its own, which the template names and has no volume for."""
    container = {
        "name": "c",
        "image": "busybox",
        "command": ["sleep", "3600"],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db"},
        "spec": {
            "replicas": 2,
            "serviceName": "db",
            "selector": {"matchLabels": {"app": "db"}},
            "template": {
                "metadata": {"labels": {"app": "db"}},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
            },
            "volumeClaimTemplates": [
                {
                    "metadata": {"name": "data"},
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "resources": {"requests": {"storage": "10Mi"}},
                    },
                }
            ],
        },
    }
    cleaned.kubectl("apply -f -", stdin=json.dumps(manifest))
    cleaned.kubectl("rollout status statefulset/db --timeout=120s")
    for name in ("db-0", "db-1"):
        cleaned.kubectl(f"exec {name} -- sh -c 'echo {name} > /data/name'")
    before = cleaned.kubectl("get pod db-1 -o jsonpath={.metadata.uid}")
    cleaned.kubectl("delete pod db-1")
    eventually(
        lambda: (
            cleaned.run("kubectl get pod db-1 -o jsonpath={.metadata.uid}").stdout.strip()
            not in ("", before)
        )
    )
    cleaned.kubectl("wait --for=condition=Ready pod/db-1 --timeout=60s")
    assert cleaned.kubectl("exec db-1 -- cat /data/name") == "db-1"
    assert cleaned.kubectl("exec db-0 -- cat /data/name") == "db-0"
    claims = cleaned.kubectl(
        "get pvc -l app=db -o jsonpath='{.items[*].metadata.name} {.items[*].status.phase}'"
    )
    assert claims == "data-db-0 data-db-1 Bound Bound"


def page(url: str) -> str:
    return subprocess.run(
        ["curl", "-sS", "--max-time", "5", url], capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize("first", ["service", "container"])
def test_port_of_a_service_can_be_published_by_a_container_too(pocket, cleaned, first: str) -> None:
    """Each answers at its own address, whichever came first."""

    def serve(name: str) -> str:
        return (
            f"sh -c 'mkdir /tmp/www; echo {name} > /tmp/www/index.html; exec httpd -f -p 80 -h"
            " /tmp/www'"
        )

    def expose() -> None:
        cleaned.kubectl("expose pod inside --port=8765 --target-port=80")

    cleaned.kubectl(f"run inside --image=busybox -- {serve('pod')}")
    cleaned.kubectl("run client --image=busybox -- sleep 3600")
    cleaned.kubectl("wait --for=condition=Ready pod/inside pod/client --timeout=60s")
    if first == "service":
        expose()
        address = cleaned.kubectl("get service inside -o jsonpath={.spec.clusterIP}")
        eventually(lambda: page(f"http://{address}:8765") == "pod\n")
    started = cleaned.run(
        f"docker run -d --rm --name outside -p 8765:80 busybox {serve('container')}"
    )
    try:
        assert started.returncode == 0, started.stderr
        if first == "container":
            expose()
        address = cleaned.kubectl("get service inside -o jsonpath={.spec.clusterIP}")
        eventually(lambda: page("http://localhost:8765") == "container\n")
        eventually(lambda: page(f"http://{address}:8765") == "pod\n")
        assert cleaned.kubectl("exec client -- wget -qO- http://inside:8765") == "pod"
        assert cleaned.kubectl(f"exec client -- wget -qO- http://{address}:8765") == "pod"
    finally:
        subprocess.run(["docker", "rm", "-f", "outside"], capture_output=True)


def test_pod_of_a_service_account_asks_the_api(cleaned) -> None:
    cleaned.kubectl("run asker --image=nginx")
    cleaned.kubectl("wait --for=condition=Ready pod/asker --timeout=60s")
    folder = "/var/run/secrets/kubernetes.io/serviceaccount"
    token = cleaned.kubectl(f"exec asker -- cat {folder}/token")
    with cleaned.http() as http:
        http.headers["Authorization"] = f"Bearer {token}"
        assert http.get(f"/api/v1/namespaces/{cleaned.namespace}/secrets").status_code == 403
        who = http.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json={}).json()
    assert (
        who["status"]["userInfo"]["username"]
        == f"system:serviceaccount:{cleaned.namespace}:default"
    )


def test_state_and_pods_survive_a_restart(tmp_path: Path) -> None:
    first = start(tmp_path, "--port", "0", "--data", str(tmp_path / "data"))
    try:
        first.kubectl("run kept --image=busybox -- sleep 3600")
        first.kubectl("wait --for=condition=Ready pod/kept --timeout=60s")
        identity = first.kubectl(
            "get pod kept -o jsonpath={.status.containerStatuses[0].containerID}"
        )
    finally:
        first.stop()
    again = start(tmp_path, "--port", "0", "--data", str(tmp_path / "data"))
    try:
        again.kubectl("wait --for=condition=Ready pod/kept --timeout=60s")
        assert (
            again.kubectl("get pod kept -o jsonpath={.status.containerStatuses[0].containerID}")
            == identity
        )
        assert again.kubectl("exec kept -- echo alive") == "alive"
        again.kubectl("delete pod kept --grace-period=1")
    finally:
        again.stop()


def test_state_and_pods_survive_a_restart_of_the_machine(tmp_path: Path) -> None:
    first = start(tmp_path, "--port", "0", "--data", str(tmp_path / "data"))
    first.kubectl("create deployment kept --image=busybox -- sleep 3600")
    first.kubectl("rollout status deployment/kept --timeout=60s")
    uid = first.kubectl("get pods -o jsonpath={.items[0].metadata.uid}")
    first.process.kill()  # as a machine that loses its power
    first.process.wait(10)
    subprocess.run(
        ["docker", "kill", *containers(f"io.kubernetes.pod.uid={uid}")],
        check=True,
        capture_output=True,
    )
    again = start(tmp_path, "--port", "0", "--data", str(tmp_path / "data"))
    try:
        eventually(
            lambda: (
                again.kubectl(
                    "get pods -o jsonpath={.items[0].status.containerStatuses[0].restartCount}"
                )
                == "1"
            )
        )
        again.kubectl("wait --for=condition=Ready pod -l app=kept --timeout=60s")
        assert again.kubectl("get pods -o jsonpath={.items[0].metadata.uid}") == uid
        assert again.kubectl("exec deploy/kept -- echo alive") == "alive"
        again.kubectl("delete deployment kept")
        again.kubectl("delete pods --all --grace-period=1")
        assert containers(f"io.kubernetes.pod.uid={uid}") == []
    finally:
        again.stop()


def test_lines_of_stdout_and_stderr_are_logged_in_the_order_of_writing(cleaned) -> None:
    script = "for i in $(seq 40); do echo out $i; echo err $i >&2; done; sleep 3600"
    cleaned.kubectl(f"run talker --image=busybox -- sh -c '{script}'")
    cleaned.kubectl("wait --for=condition=Ready pod/talker --timeout=60s")
    wanted = [f"{stream} {i}" for i in range(1, 41) for stream in ("out", "err")]
    eventually(lambda: len(cleaned.kubectl("logs talker").splitlines()) == len(wanted))
    assert cleaned.kubectl("logs talker").splitlines() == wanted


def test_debug_adds_a_container_that_sees_the_other_ones_processes(cleaned) -> None:
    cleaned.kubectl("run web --image=nginx")
    cleaned.kubectl("wait --for=condition=Ready pod/web --timeout=60s")
    cleaned.kubectl(
        "debug web --image=busybox --target=web -c look -- sh -c 'cat /proc/1/cmdline; hostname'"
    )
    path = "jsonpath={.status.ephemeralContainerStatuses[0].state.terminated.exitCode}"
    eventually(lambda: cleaned.kubectl(f"get pod web -o {path}") == "0")
    assert "nginx" in cleaned.kubectl("logs web -c look")
    assert cleaned.kubectl("logs web -c look").endswith("web")
    assert (
        cleaned.kubectl("get pod web -o jsonpath={.status.containerStatuses[0].restartCount}")
        == "0"
    )


def test_command_that_is_not_there_waits_longer_with_each_try(cleaned) -> None:
    began = time.monotonic()
    cleaned.kubectl("run nope --image=busybox --command -- nosuchcommand")
    state = "get pod nope -o jsonpath={.status.containerStatuses[0]"
    eventually(lambda: cleaned.kubectl(f"{state}.restartCount}}") == "3")
    assert (
        time.monotonic() - began > 3
    )  # nothing before the first restart, a second before the next, two before the third
    assert cleaned.kubectl(f"{state}.lastState.terminated.reason}}") == "StartError"
    assert cleaned.kubectl(f"{state}.state.waiting.reason}}") in (
        "RunContainerError",
        "CrashLoopBackOff",
    )
    assert '"nosuchcommand": executable file not found' in cleaned.kubectl(
        f"{state}.lastState.terminated.message}}"
    )
    uid = cleaned.kubectl("get pod nope -o jsonpath={.metadata.uid}")
    assert (
        len(containers(f"io.kubernetes.pod.uid={uid}")) <= 3
    )  # the sandbox, this container and the one before


def test_init_container_is_ready_when_it_has_succeeded(cleaned) -> None:
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "prepared"},
        "spec": {
            "volumes": [{"name": "shared", "emptyDir": {}}],
            "initContainers": [
                {
                    "name": "first",
                    "image": "busybox",
                    "command": ["sh", "-c", "echo made > /shared/file"],
                    "volumeMounts": [{"name": "shared", "mountPath": "/shared"}],
                }
            ],
            "containers": [
                {
                    "name": "c",
                    "image": "busybox",
                    "command": ["sleep", "3600"],
                    "volumeMounts": [{"name": "shared", "mountPath": "/shared"}],
                }
            ],
        },
    }
    cleaned.kubectl("apply -f -", stdin=json.dumps(manifest))
    cleaned.kubectl("wait --for=condition=Ready pod/prepared --timeout=60s")
    assert cleaned.kubectl("exec prepared -c c -- cat /shared/file") == "made"
    found = json.loads(cleaned.kubectl("get pod prepared -o json"))["status"][
        "initContainerStatuses"
    ][0]
    assert (found["ready"], found["started"]) == (True, False)


def test_eviction_keeps_to_the_disruption_budget(cleaned) -> None:
    cleaned.kubectl("create deployment held --image=busybox --replicas=2 -- sleep 3600")
    cleaned.kubectl("create poddisruptionbudget held --selector=app=held --min-available=1")
    cleaned.kubectl("rollout status deployment/held --timeout=60s")
    eventually(
        lambda: cleaned.kubectl("get pdb held -o jsonpath={.status.disruptionsAllowed}") == "1"
    )
    names = cleaned.kubectl("get pods -l app=held -o jsonpath={.items[*].metadata.name}").split()
    with cleaned.http() as http:
        answers = [
            http.post(
                f"/api/v1/namespaces/default/pods/{name}/eviction",
                json={"metadata": {"name": name}},
            )
            for name in names
        ]
    cleaned.run("kubectl delete pdb held")
    assert [answer.status_code for answer in answers] == [201, 429]
    assert answers[1].json()["details"]["causes"][0]["reason"] == "DisruptionBudget"
