"""A cluster for the tests that need one: the real server, on the engine of the lab that these tests run in."""

import base64
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml


@dataclass
class Cluster:
    """A running ``python -m lab.cluster`` and the way in."""

    process: subprocess.Popen[str]
    kubeconfig: Path
    arguments: list[str]
    ready_seconds: float

    @property
    def config(self) -> dict:
        return yaml.safe_load(self.kubeconfig.read_text())

    @property
    def server(self) -> str:
        return self.config["clusters"][0]["cluster"]["server"]

    def trust(self) -> ssl.SSLContext:
        data = base64.b64decode(self.config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
        return ssl.create_default_context(cadata=data)

    def http(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.config['users'][0]['user']['token']}"}
        return httpx.Client(base_url=self.server, verify=self.trust(), headers=headers, timeout=30)

    def run(self, command: str, *, stdin: str = "", seconds: float = 90) -> subprocess.CompletedProcess[str]:
        """A shell command with kubectl set up."""
        environment = os.environ | {"KUBECONFIG": str(self.kubeconfig)}
        return subprocess.run(["bash", "-c", command], input=stdin, env=environment, capture_output=True, text=True, timeout=seconds, check=False)  # fmt: skip

    def kubectl(self, arguments: str, *, stdin: str = "") -> str:
        """What ``kubectl`` prints; it must succeed."""
        done = self.run(f"kubectl {arguments}", stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


def start(folder: Path, *more: str) -> Cluster:
    """A cluster that is ready."""
    kubeconfig = folder / "kubeconfig"
    arguments = [sys.executable, "-m", "lab.cluster", "--kubeconfig", str(kubeconfig), *more]
    began = time.monotonic()
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "ready" in line, line
    return Cluster(process, kubeconfig, arguments, time.monotonic() - began)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = start(tmp_path_factory.mktemp("cluster"))
    yield running
    running.stop()


@pytest.fixture
def cleaned(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, with nothing left in its namespace ``default`` afterwards."""
    yield cluster
    cluster.run("kubectl delete deploy,rs,sts,ds,job,cj,pod,pvc,cm --all --grace-period=1 --wait; kubectl delete svc --field-selector metadata.name!=kubernetes")  # fmt: skip
