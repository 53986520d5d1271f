"""What kubectl prints here is what it prints on a real Kubernetes: recorded transcripts, replayed
by ``replay.py``.

Most scenarios depend on nothing but the cluster. Those left out here depend on the machine (its
memory, IPv6) or on seconds that a busy machine does not keep; docs/kubernetes.md names them, and
``replay.py`` replays them all.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXACT = (
    "01-version 02-api-resources 03-explain 05-namespaces 08-pod-describe 12-nodeport "
    "13-clusterip-dns 14-pod-update 18-configmap-secret 19-pvc 23-taint-cordon "
    "24-invalid-manifests 28-auth-can-i 29-top 31-dry-run 32-server-side-apply 37-crd"
).split()
PLAYED_AT_MOST = 3

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]


@pytest.fixture(scope="module", autouse=True)
def _image_of_a_second_version() -> Iterator[None]:
    """A tag that scenario 14 changes to, which no lab has."""
    subprocess.run(["docker", "tag", "nginx", "nginx:1.27"], check=True)
    yield
    subprocess.run(
        ["docker", "rmi", "--no-prune", "nginx:1.27"], check=True, stdout=subprocess.DEVNULL
    )


@pytest.mark.parametrize("scenario", EXACT)
def test_prints_what_kubernetes_prints(cluster, scenario: str, tmp_path: Path) -> None:
    """How far a Pod has come in the moment of looking is chance, on the recorded cluster as here:
    what differs is played again.
    """
    report = tmp_path / "report.json"
    tool = (
        f"{sys.executable} {HERE / 'replay.py'} --kubeconfig {cluster.kubeconfig} --kubectl"
        f" {shutil.which('kubectl')}"
    )
    for _ in range(PLAYED_AT_MOST):
        done = cluster.run(f"{tool} --only '^{scenario}$' --show --json {report}", seconds=240)
        result = json.loads(report.read_text())["scenarios"][scenario]
        assert result["of"] > 0
        if not result["differ"]:
            return
    raise AssertionError(done.stdout)
