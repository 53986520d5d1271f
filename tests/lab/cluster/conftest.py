"""A cluster for the tests that need one: the real server, on the engine of the lab that these tests
run in.

``COURSE_KUBECONFIG=FILE bin/lab test tests/lab/cluster`` takes the cluster of that file's current
context instead, whoever made it, in a namespace that is made for the run and removed afterwards.
"""

import base64
import os
import secrets
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from lab.machine import kubeconfig

FOREIGN = os.environ.get("COURSE_KUBECONFIG", "")
LABS_OWN = Path("/run/lab/kubernetes")


@dataclass
class Cluster:
    """A running ``python -m lab.cluster``, or with ``process`` None somebody's own cluster, and the
    way in.
    """

    process: subprocess.Popen[str] | None
    kubeconfig: Path
    arguments: list[str]
    ready_seconds: float
    namespace: str = "default"

    @property
    def config(self) -> dict:
        return yaml.safe_load(self.kubeconfig.read_text())

    @property
    def server(self) -> str:
        return self.config["clusters"][0]["cluster"]["server"]

    def trust(self) -> ssl.SSLContext:
        data = base64.b64decode(
            self.config["clusters"][0]["cluster"]["certificate-authority-data"]
        ).decode()
        context = ssl.create_default_context(cadata=data)
        user = self.config["users"][0]["user"]
        if "client-certificate-data" in user and "token" not in user:
            with tempfile.NamedTemporaryFile() as chain:
                chain.write(
                    base64.b64decode(user["client-certificate-data"])
                    + base64.b64decode(user["client-key-data"])
                )
                chain.flush()
                context.load_cert_chain(chain.name)
        return context

    def http(self) -> httpx.Client:
        token = self.config["users"][0]["user"].get("token")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.server, verify=self.trust(), headers=headers, timeout=30)

    def run(
        self, command: str, *, stdin: str = "", seconds: float = 90
    ) -> subprocess.CompletedProcess[str]:
        """A shell command with kubectl set up."""
        environment = os.environ | {"KUBECONFIG": str(self.kubeconfig)}
        return subprocess.run(
            ["bash", "-c", command],
            input=stdin,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def kubectl(self, arguments: str, *, stdin: str = "") -> str:
        """What ``kubectl`` prints; it must succeed."""
        done = self.run(f"kubectl {arguments}", stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(60)


def start(folder: Path, *more: str) -> Cluster:
    """A cluster that is ready."""
    if FOREIGN:
        pytest.skip(reason="starts a cluster of its own, and COURSE_KUBECONFIG names another")
    kubeconfig = folder / "kubeconfig"
    arguments = [sys.executable, "-m", "lab.cluster", "--kubeconfig", str(kubeconfig), *more]
    began = time.monotonic()
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "ready" in line, line
    return Cluster(process, kubeconfig, arguments, time.monotonic() - began)


@pytest.fixture(scope="session", autouse=True)
def _lab_without_its_own_cluster() -> Iterator[None]:
    """Two clusters in one network want the same addresses: the lab's own rests meanwhile
    (lab/inside/start).
    """
    if not LABS_OWN.is_dir():
        yield
        return
    (LABS_OWN / "held").touch()
    process = int((LABS_OWN / "pid").read_text())
    os.kill(process, signal.SIGTERM)
    while _runs(process):
        time.sleep(0.05)
    yield
    (LABS_OWN / "held").unlink()


def _runs(process: int) -> bool:
    """Whether it is there and has not ended; one that nobody waits for has no command line."""
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    if FOREIGN:
        yield from _foreign(folder)
        return
    running = start(folder)
    yield running
    running.stop()


def _foreign(folder: Path) -> Iterator[Cluster]:
    config = kubeconfig.current({"KUBECONFIG": FOREIGN})
    namespace = f"docker-course-tests-{secrets.token_hex(3)}"
    (folder / "kubeconfig").write_text(yaml.safe_dump(config.document(namespace)))
    running = Cluster(None, folder / "kubeconfig", [], 0.0, namespace)
    running.kubectl(f"create namespace {namespace}")
    try:
        for _ in range(100):  # its service account is made a moment later, and Pods need one
            if running.run("kubectl get serviceaccount default").returncode == 0:
                break
            time.sleep(0.1)
        yield running
    finally:
        running.kubectl(f"delete namespace {namespace}")


@pytest.fixture
def pocket(cluster: Cluster) -> Cluster:
    """The cluster, whose Pods are containers of the engine that ``docker`` speaks to."""
    if cluster.process is None:
        pytest.skip(reason="looks at the engine's containers; COURSE_KUBECONFIG has another engine")
    return cluster


@pytest.fixture
def cleaned(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, with nothing left in its default namespace afterwards."""
    yield cluster
    cluster.run(
        "kubectl delete deploy,rs,sts,ds,job,cj,pod,pvc,cm --all --grace-period=1 --wait; kubectl"
        " delete svc --field-selector metadata.name!=kubernetes"
    )
