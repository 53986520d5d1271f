"""Many objects and several watchers: the server stays quick."""

import json
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

PODS, WATCHERS, OBJECTS = 500, 5, 1000
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


@pytest.fixture(autouse=True)
def _no_events_left(cluster) -> Iterator[None]:
    """Thousands of events would make every later `kubectl delete events --all` slow."""
    yield
    with cluster.http() as http:
        http.delete("/api/v1/namespaces/default/events")


class Watcher(threading.Thread):
    """Follows the Pods until one named ``end`` comes; ``added`` counts those that came before."""

    def __init__(self, cluster, path: str) -> None:
        super().__init__(daemon=True)
        self.cluster, self.path, self.added = cluster, path, 0
        self.start()

    def run(self) -> None:
        follow = {"params": {"watch": "true"}, "headers": TABLE, "timeout": 60}
        with self.cluster.http() as http, http.stream("GET", self.path, **follow) as answer:
            for line in answer.iter_lines():
                event = json.loads(line)
                if event["object"]["rows"][0]["cells"][0] == "end":
                    return
                self.added += event["type"] == "ADDED"


@pytest.fixture
def took(pocket):
    """took(WHAT): the seconds of a call of the server, without those in which it or this test stood
    in line for a processor.

    So they are the server's own, whatever else the machine does meanwhile.
    """

    def measured(what) -> float:
        began = time.monotonic() - in_line(pocket.process.pid)
        what()
        return max(0.0, time.monotonic() - in_line(pocket.process.pid) - began)

    return measured


def in_line(process: int) -> float:
    """Seconds that the kernel has kept these main threads waiting for a processor, altogether."""
    told = (Path(f"/proc/{one}/schedstat").read_text().split() for one in (process, "self"))
    return sum(int(waited) for _, waited, _ in told) / 1e9


def test_hundreds_of_pods_and_watchers_leave_it_responsive(cluster, took) -> None:
    spec = {"schedulerName": "nobody", "containers": [{"name": "c", "image": "busybox"}]}
    path = "/api/v1/namespaces/default/pods"
    waits: list[float] = []
    watchers = [Watcher(cluster, path) for _ in range(WATCHERS)]
    with cluster.http() as http:
        for number in range(PODS):
            made = http.post(path, json={"metadata": {"name": f"many-{number}"}, "spec": spec})
            assert made.status_code == 201, made.text
            if number % 10 == 0:
                waits.append(took(lambda: http.get(f"{path}/many-0")))
        http.post(path, json={"metadata": {"name": "end"}, "spec": spec})
        for watcher in watchers:
            watcher.join(60)
        assert min(watcher.added for watcher in watchers) >= PODS
        http.delete(path, params={"gracePeriodSeconds": 0})
    assert statistics.median(waits) < 0.1
    assert max(waits) < 1


def test_a_thousand_objects_are_listed_at_once(cluster, took) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    with cluster.http() as http:
        for number in range(OBJECTS):
            http.post(path, json={"metadata": {"name": f"many-{number}"}, "data": {"a": "b"}})
        listed = http.get(path, headers=TABLE)
        assert len(listed.json()["rows"]) >= OBJECTS
        assert min(took(lambda: http.get(path, headers=TABLE)) for _ in range(3)) < 1
        http.delete(path)
        assert http.get("/readyz").text == "ok"


def test_hundreds_of_pods_that_fit_nowhere_leave_it_responsive(cluster, took) -> None:
    labels = {"app": "large"}
    container = {"name": "c", "image": "busybox", "resources": {"requests": {"cpu": "1000"}}}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": PODS, "selector": {"matchLabels": labels}, "template": pod}
    body = {"metadata": {"name": "large"}, "spec": spec}
    deployments = "/apis/apps/v1/namespaces/default/deployments"
    with cluster.http() as http:
        assert http.post(deployments, json=body).status_code == 201
        waits = []
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            waits.append(took(lambda: http.get("/readyz")))
            if http.get(f"{deployments}/large").json().get("status", {}).get("replicas") == PODS:
                break
        else:
            pytest.fail("the Pods were not made in time")
        http.delete(f"{deployments}/large")
        while http.get(
            "/api/v1/namespaces/default/pods", params={"labelSelector": "app=large", "limit": 1}
        ).json()["items"]:
            waits.append(took(lambda: http.get("/readyz")))
            assert time.monotonic() < deadline
    assert max(waits) < 1
