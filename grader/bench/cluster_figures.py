"""What the pocket cluster costs in the lab that this runs in, as one JSON document."""

import base64
import http.client
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

READY_SECONDS, REST_SECONDS = 60.0, 1.0
CLIENTS = 4
PODS, CONFIGMAPS = "/api/v1/namespaces/default/pods", "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"  # as kubectl asks
NODES = "/api/v1/nodes"
OBJECTS = 1000
SEVERAL = 3  # nodes


@dataclass(frozen=True)
class API:
    """A way to ask a cluster over HTTP, and its kubeconfig for kubectl."""

    kubeconfig: Path
    address: tuple[str, int]
    token: str
    trust: ssl.SSLContext

    @classmethod
    def of(cls, kubeconfig: Path) -> "API":
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        url = urlsplit(cluster["server"])
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        address = (str(url.hostname), int(url.port or 443))
        return cls(kubeconfig, address, user["token"], ssl.create_default_context(cadata=authority))

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(*self.address, context=self.trust, timeout=30)

    def ask(
        self,
        connection: http.client.HTTPSConnection,
        method: str,
        path: str,
        body: Any = None,
        accept: str = TABLE,
    ) -> tuple[int, bytes]:
        """Ask and read the whole answer: status and body."""
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Accept": accept,
            "Content-Type": "application/json",
        }
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def kubectl(self, *words: str, document: Any = None) -> None:
        """Run kubectl to its end; it must succeed."""
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        given = json.dumps(document) if document else ""
        subprocess.run(
            ["kubectl", *words], input=given, env=environment, stdout=2, text=True, check=True
        )


@contextmanager
def started(nodes: int = 1) -> Iterator[tuple[subprocess.Popen[bytes], API, float]]:
    """A cluster from its process's start on, and the seconds until it was ready; one of several
    nodes is when all of these are.
    """
    with tempfile.TemporaryDirectory() as folder:
        kubeconfig = Path(folder, "kubeconfig")
        cluster = [sys.executable, "-m", "lab.cluster", "--port", "0", "--nodes", str(nodes)]
        begun = time.perf_counter()
        process = subprocess.Popen([*cluster, "--kubeconfig", str(kubeconfig)], stdout=2)
        try:
            api = _wait(kubeconfig, begun)
            if nodes > 1:
                _wait_for_nodes(api, nodes, begun)
            yield process, api, time.perf_counter() - begun
        finally:
            process.terminate()
            process.wait(READY_SECONDS)


def _wait(kubeconfig: Path, begun: float) -> API:
    while time.perf_counter() - begun < READY_SECONDS:
        if kubeconfig.exists():
            api = API.of(kubeconfig)
            connection = api.connect()
            while api.ask(connection, "GET", "/readyz")[0] != 200:
                time.sleep(0.002)
            return api
        time.sleep(0.002)
    raise TimeoutError(f"no cluster after {READY_SECONDS:.0f} s")


def _wait_for_nodes(api: API, count: int, begun: float) -> None:
    connection = api.connect()
    while time.perf_counter() - begun < READY_SECONDS:
        _, answer = api.ask(connection, "GET", NODES, accept="application/json")
        if sum(map(_is_ready, json.loads(answer)["items"])) == count:
            return
        time.sleep(0.002)
    raise TimeoutError(f"not {count} nodes after {READY_SECONDS:.0f} s")


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def memory_mib(process: int) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{process}/status").read_text()
    return (
        next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        / 1024
    )


def deployment(replicas: int) -> dict[str, Any]:
    labels = {"app": "bench"}
    container = {"name": "c", "image": "busybox", "command": ["sleep", "3600"]}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "bench"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def apply_seconds(api: API, replicas: int) -> float:
    """From ``kubectl apply`` of a Deployment to the end of ``kubectl rollout status``."""
    begun = time.perf_counter()
    api.kubectl("apply", "-f", "-", document=deployment(replicas))
    api.kubectl("rollout", "status", "deployment/bench", "--timeout=300s")
    return time.perf_counter() - begun


def remove(api: API) -> None:
    """Also wait until the kernel has cleared away the network namespaces."""
    api.kubectl("delete", "deployment/bench", "--cascade=foreground", "--timeout=300s")
    time.sleep(REST_SECONDS)


def list_seconds(api: API, times: int) -> list[float]:
    """To read a list of OBJECTS ConfigMaps, as a Table."""
    connection = api.connect()
    for number in range(OBJECTS):
        configmap = {"metadata": {"name": f"bench-{number}"}, "data": {"key": "value" * 10}}
        if (status := api.ask(connection, "POST", CONFIGMAPS, configmap)[0]) != 201:
            raise RuntimeError(f"a ConfigMap could not be made: {status}")

    def read() -> None:
        _, answer = api.ask(connection, "GET", CONFIGMAPS)
        if (found := answer.count(b'"bench-')) < OBJECTS:
            raise RuntimeError(f"only {found} of {OBJECTS} ConfigMaps were listed")

    return [_timed(read) for _ in range(times)]


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def requests_per_second(api: API, seconds: float) -> float:
    """Answers to ``get pods`` that CLIENTS connections get together."""

    def ask(_: int) -> int:
        connection, count = api.connect(), 0
        while time.perf_counter() < end:
            if api.ask(connection, "GET", PODS)[0] != 200:
                raise RuntimeError("a list of Pods was refused")
            count += 1
        return count

    begun = time.perf_counter()
    end = begun + seconds
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = sum(pool.map(ask, range(CLIENTS)))
    return answers / (time.perf_counter() - begun)


def measure(times: int, seconds: float) -> dict[str, Any]:
    ready = []
    for _ in range(times):
        with started() as (_, _, waited):
            ready.append(waited)
    ready_several, memory_several = [], []
    for _ in range(times):
        with started(SEVERAL) as (process, _, waited):
            ready_several.append(waited)
            time.sleep(REST_SECONDS)
            memory_several.append(memory_mib(process.pid))
    with started() as (process, api, _):
        time.sleep(REST_SECONDS)
        idle = memory_mib(process.pid)
        applied: dict[int, list[float]] = {1: [], 10: []}
        for replicas in [1, 10] * times:
            applied[replicas].append(apply_seconds(api, replicas))
            remove(api)
        apply_seconds(api, 20)
        time.sleep(REST_SECONDS)
        with_pods = memory_mib(process.pid)
        rate = requests_per_second(api, seconds)
        remove(api)
        listed = list_seconds(api, times)
    return {
        "ready_seconds": ready,
        "ready_3_nodes_seconds": ready_several,
        "memory_3_nodes_mib": memory_several,
        "memory_mib": idle,
        "memory_20_pods_mib": with_pods,
        "apply_1_seconds": applied[1],
        "apply_10_seconds": applied[10],
        "list_1000_seconds": listed,
        "get_pods_per_second": rate,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(int(sys.argv[1]), float(sys.argv[2]))) + "\n")
