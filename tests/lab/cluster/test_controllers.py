"""Controllers and the scheduler, on objects alone: what a kubelet does is pretended."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import ClassVar

import pytest

pytest.importorskip("kubernetes_validate")

from lab.cluster.controllers import base, ttl
from lab.cluster.controllers.base import Controller
from lab.cluster.registry.store import Event

from .pretended import NODE, Pretended

SELECTOR = {"matchLabels": {"app": "web"}}
DEPLOYMENTS, SETS, STATEFUL = "deployments.apps", "replicasets.apps", "statefulsets.apps"
DAEMONS, JOBS = "daemonsets.apps", "jobs.batch"


def template(image: str = "one", **spec: object) -> dict:
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": image}], **spec},
    }


def play(story: Callable[[Pretended], Awaitable[None]], *more: type[Controller]) -> None:
    async def run() -> None:
        cluster = Pretended()
        async with cluster.running(*(kind(cluster.client) for kind in more)):
            await story(cluster)

    asyncio.run(run())


def status(cluster: Pretended, resource: str, name: str) -> dict:
    return cluster.get(resource, name)["status"]


def taint(cluster: Pretended, *taints: dict) -> None:
    def edit(node: dict) -> None:
        node.setdefault("spec", {})["taints"] = list(taints)

    cluster.client.change("nodes", cluster.client.get("nodes", "", NODE), edit)


# ------------------------------------------------------------------------------- failing
# controllers


class Failing(Controller):
    """Cannot do anything with ConfigMaps, and notes when it tried."""

    resource, component = "configmaps", "failing"
    tried: ClassVar[list[float]] = []

    def sync(self, namespace: str, name: str) -> float | None:
        if name == "bad":
            self.tried.append(time.monotonic())
            raise RuntimeError("not today")
        return None


class Blind(Controller):
    resource, component = "configmaps", "blind"

    def on(self, event: Event) -> None:
        raise RuntimeError("what is that?")


def test_failing_controller_tries_again_later_each_time(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    Failing.tried.clear()

    async def story(cluster: Pretended) -> None:
        cluster.create("configmaps", "bad")
        await cluster.until(lambda: len(Failing.tried) >= 6)

    play(story, Failing)
    pauses = [
        after - before for before, after in zip(Failing.tried, Failing.tried[1:], strict=False)
    ]
    assert [pause >= base.FIRST_RETRY * 2**number for number, pause in enumerate(pauses)] == [
        True
    ] * len(pauses)


def test_controller_that_fails_keeps_no_other_from_its_work(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)

    async def story(cluster: Pretended) -> None:
        cluster.create("configmaps", "bad")
        cluster.create(
            SETS, "web", spec={"replicas": 2, "selector": SELECTOR, "template": template()}
        )
        await cluster.until(lambda: status(cluster, SETS, "web").get("readyReplicas") == 2)

    play(story, Blind, Failing)


# ---------------------------------------------------------------------------------------- workloads


def test_pod_below_the_partition_is_made_again_as_it_was() -> None:
    async def story(cluster: Pretended) -> None:
        cluster.create(
            STATEFUL,
            "web",
            spec={
                "replicas": 2,
                "selector": SELECTOR,
                "template": template(),
                "serviceName": "web",
            },
        )
        await cluster.until(lambda: status(cluster, STATEFUL, "web").get("readyReplicas") == 2)

        def half(fresh: dict) -> None:
            fresh["spec"]["updateStrategy"]["rollingUpdate"] = {"partition": 1}
            fresh["spec"]["template"] = template("two")

        cluster.change(STATEFUL, "web", half)
        await cluster.until(
            lambda: cluster.get("pods", "web-1")["spec"]["containers"][0]["image"] == "two"
        )
        before = cluster.get("pods", "web-0")["metadata"]["uid"]
        cluster.client.delete("pods", cluster.get("pods", "web-0"))
        await cluster.until(
            lambda: (
                "web-0" in cluster.pods()
                and cluster.get("pods", "web-0")["metadata"]["uid"] != before
            )
        )
        assert cluster.get("pods", "web-0")["spec"]["containers"][0]["image"] == "one"

    play(story)


def test_rollout_to_an_image_that_never_gets_ready_keeps_the_old_pods() -> None:
    async def story(cluster: Pretended) -> None:
        cluster.unready.add("broken")
        cluster.create(
            DEPLOYMENTS, "web", spec={"replicas": 3, "selector": SELECTOR, "template": template()}
        )
        await cluster.until(
            lambda: status(cluster, DEPLOYMENTS, "web").get("availableReplicas") == 3
        )

        def spoil(fresh: dict) -> None:
            fresh["spec"]["template"] = template("broken")

        cluster.change(DEPLOYMENTS, "web", spoil)
        await cluster.until(lambda: status(cluster, DEPLOYMENTS, "web").get("updatedReplicas") == 1)
        await asyncio.sleep(0.2)
        assert status(cluster, DEPLOYMENTS, "web")["availableReplicas"] == 3
        assert len(cluster.pods()) == 4

    play(story)


def test_job_that_was_suspended_goes_on() -> None:
    async def story(cluster: Pretended) -> None:
        spec = {
            "suspend": True,
            "completions": 2,
            "parallelism": 2,
            "completionMode": "Indexed",
            "template": template(restartPolicy="Never"),
        }
        cluster.create(JOBS, "work", spec=spec)
        await cluster.until(lambda: status(cluster, JOBS, "work").get("conditions"))
        assert cluster.pods() == []

        def resume(fresh: dict) -> None:
            fresh["spec"]["suspend"] = False

        cluster.change(JOBS, "work", resume)
        await cluster.until(lambda: status(cluster, JOBS, "work").get("active") == 2)
        assert [(c["type"], c["status"]) for c in status(cluster, JOBS, "work")["conditions"]] == [
            ("Suspended", "False")
        ]
        assert [name.rpartition("-")[0] for name in cluster.pods()] == ["work-0", "work-1"]
        assert {"Suspended", "Resumed"} <= {reason for reason, _ in cluster.events()}

    play(story)


def test_job_whose_pod_restarts_too_often_fails_for_good() -> None:
    async def story(cluster: Pretended) -> None:
        cluster.create(
            JOBS, "work", spec={"backoffLimit": 1, "template": template(restartPolicy="OnFailure")}
        )
        await cluster.until(
            lambda: status(cluster, JOBS, "work").get("active") == 1 and cluster.pods()
        )
        pod = cluster.get("pods", cluster.pods()[0])
        await cluster.until(
            lambda: status(cluster, "pods", pod["metadata"]["name"]).get("phase") == "Running"
        )
        restarted = {"name": "c", "restartCount": 2, "image": "one", "imageID": "", "ready": False}
        cluster.client.set_status(
            "pods", pod, {"phase": "Running", "containerStatuses": [restarted]}
        )
        await cluster.until(
            lambda: any(
                c["type"] == "Failed" for c in status(cluster, JOBS, "work").get("conditions", [])
            ),
            10,
        )
        assert cluster.pods() == []

    play(story)


def test_replication_controller_keeps_its_pods() -> None:
    async def story(cluster: Pretended) -> None:
        cluster.create(
            "replicationcontrollers", "old", spec={"replicas": 2, "template": template()}
        )
        await cluster.until(
            lambda: status(cluster, "replicationcontrollers", "old").get("readyReplicas") == 2
        )
        before = cluster.pods()
        cluster.client.delete("pods", cluster.get("pods", before[0]))
        await cluster.until(lambda: len(cluster.pods()) == 2 and cluster.pods() != before)

    play(story)


# ----------------------------------------------------------------------------------------- services


def test_pods_whose_named_port_differs_are_in_slices_of_their_own() -> None:
    def pod(cluster: Pretended, name: str, port: int) -> None:
        labels = {"metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}}}
        container = {
            "name": "c",
            "image": "one",
            "ports": [{"name": "http", "containerPort": port}],
        }
        cluster.client.create("pods", {**labels, "spec": {"containers": [container]}})

    def slices(cluster: Pretended) -> list[tuple[list[int], list[str]]]:
        return sorted(
            (
                [port["port"] for port in one.get("ports") or []],
                [at["targetRef"]["name"] for at in one.get("endpoints") or []],
            )
            for one in cluster.client.list("endpointslices.discovery.k8s.io", "default")
        )

    async def story(cluster: Pretended) -> None:
        cluster.create(
            "services",
            "web",
            spec={"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
        )
        await cluster.until(lambda: slices(cluster) == [([], [])])
        pod(cluster, "left", 8081)
        await cluster.until(lambda: slices(cluster) == [([8081], ["left"])])
        pod(cluster, "right", 8082)
        await cluster.until(lambda: slices(cluster) == [([8081], ["left"]), ([8082], ["right"])])
        cluster.client.delete("pods", cluster.get("pods", "left"))
        await cluster.until(lambda: slices(cluster) == [([8082], ["right"])])
        cluster.client.delete("pods", cluster.get("pods", "right"))
        await cluster.until(lambda: slices(cluster) == [([], [])])

    play(story)


# ------------------------------------------------------------------------------------------- taints


def test_no_execute_taint_evicts_what_does_not_tolerate_it() -> None:
    async def story(cluster: Pretended) -> None:
        bears = {"key": "k", "operator": "Exists", "effect": "NoExecute"}
        cluster.create(
            "pods",
            "stays",
            spec={"containers": [{"name": "c", "image": "one"}], "tolerations": [bears]},
        )
        cluster.create("pods", "goes", spec={"containers": [{"name": "c", "image": "one"}]})
        cluster.create(
            "pods",
            "later",
            spec={
                "containers": [{"name": "c", "image": "one"}],
                "tolerations": [bears | {"tolerationSeconds": 1}],
            },
        )
        await cluster.until(
            lambda: all(
                status(cluster, "pods", name)["phase"] == "Running" for name in cluster.pods()
            )
        )
        taint(cluster, {"key": "k", "value": "v", "effect": "NoExecute"})
        await cluster.until(lambda: "goes" not in cluster.pods())
        assert cluster.pods() == ["later", "stays"]
        await cluster.until(lambda: cluster.pods() == ["stays"])
        assert ("TaintManagerEviction", "Marking for deletion Pod default/goes") in cluster.events()

    play(story)


def test_no_schedule_taint_leaves_a_daemon_where_it_is() -> None:
    async def story(cluster: Pretended) -> None:
        cluster.create(DAEMONS, "agent", spec={"selector": SELECTOR, "template": template()})
        await cluster.until(lambda: status(cluster, DAEMONS, "agent").get("numberReady") == 1)
        before = cluster.pods()
        taint(cluster, {"key": "k", "value": "v", "effect": "NoSchedule"})
        await asyncio.sleep(0.2)
        assert cluster.pods() == before

    play(story)


def test_pod_that_would_fit_an_empty_node_finds_no_victims() -> None:
    async def story(cluster: Pretended) -> None:
        def pod(name: str, cpu: str) -> None:
            cluster.create(
                "pods",
                name,
                spec={
                    "containers": [
                        {"name": "c", "image": "one", "resources": {"requests": {"cpu": cpu}}}
                    ]
                },
            )

        pod("first", "60")
        await cluster.until(lambda: cluster.get("pods", "first")["spec"].get("nodeName"))
        pod("second", "60")
        pod("giant", "100")
        await cluster.until(
            lambda: (
                len([reason for reason, _ in cluster.events() if reason == "FailedScheduling"]) == 2
            )
        )
        said = {
            status(cluster, "pods", name)["conditions"][0]["message"].rpartition("1 ")[2]
            for name in ("second", "giant")
        }
        assert said == {
            "No preemption victims found for incoming pod.",
            "Preemption is not helpful for scheduling.",
        }

    play(story)


# ------------------------------------------------------------------------------------------ garbage


def test_what_an_owner_leaves_goes_unless_it_is_orphaned() -> None:
    async def story(cluster: Pretended) -> None:
        for name in ("kept", "gone"):
            labels = {"matchLabels": {"app": name}}
            pod = template() | {"metadata": {"labels": {"app": name}}}
            cluster.create(
                DEPLOYMENTS, name, spec={"replicas": 60, "selector": labels, "template": pod}
            )
        await cluster.until(
            lambda: all(
                status(cluster, DEPLOYMENTS, n).get("readyReplicas") == 60 for n in ("kept", "gone")
            ),
            20,
        )
        cluster.client.delete(DEPLOYMENTS, cluster.get(DEPLOYMENTS, "kept"), propagation="Orphan")
        cluster.client.delete(
            DEPLOYMENTS, cluster.get(DEPLOYMENTS, "gone"), propagation="Foreground"
        )
        await cluster.until(
            lambda: cluster.client.list(DEPLOYMENTS) == [] and len(cluster.pods()) == 60, 10
        )
        assert {name.partition("-")[0] for name in cluster.pods()} == {"kept"}
        assert [rs["metadata"].get("ownerReferences") for rs in cluster.client.list(SETS)] in (
            [None],
            [[]],
        )

    play(story)


def test_events_are_forgotten_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ttl, "KEPT_SECONDS", 0.0)
    monkeypatch.setattr(ttl.EventTTL, "resync_seconds", 0.1)

    async def story(cluster: Pretended) -> None:
        cluster.create("pods", "web", spec={"containers": [{"name": "c", "image": "one"}]})
        await cluster.until(cluster.events)
        await cluster.until(lambda: not cluster.events())

    play(story)
