"""Where Pods go when there is more than one node, on objects alone: no kubelet starts them."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

pytest.importorskip("kubernetes_validate")

from lab.cluster.controllers.nodelifecycle import NodeLifecycle
from lab.cluster.model.objects import at, condition, now, now_micro

from .pretended import NODE, Pretended

WEB = {"matchLabels": {"app": "web"}}
HOST = "kubernetes.io/hostname"
DEPLOYMENTS, DAEMONS = "deployments.apps", "daemonsets.apps"
LEASES = "leases.coordination.k8s.io"


def template(image: str = "one", **spec: object) -> dict:
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": image}], **spec},
    }


def play(story: Callable[[Pretended], Awaitable[None]], *names: str) -> None:
    """A story on a cluster with the node and these further ones."""

    async def run() -> None:
        cluster = Pretended()
        for name in names:
            cluster.add_node(name)
        async with cluster.running():
            await story(cluster)

    asyncio.run(run())


def deploy(cluster: Pretended, replicas: int, **spec: object) -> None:
    cluster.create(
        DEPLOYMENTS,
        "web",
        spec={"replicas": replicas, "selector": WEB, "template": template(**spec)},
    )


def taint(cluster: Pretended, name: str, *taints: dict) -> None:
    def edit(node: dict) -> None:
        node.setdefault("spec", {})["taints"] = list(taints)

    cluster.client.change("nodes", cluster.client.get("nodes", "", name), edit)


async def placed(cluster: Pretended, count: int) -> Counter[str]:
    """How many Pods of the Deployment each node has, once ``count`` of them have a node."""

    def nodes() -> list[str]:
        return [name for name in cluster.nodes_of("web-") if name]

    await cluster.until(lambda: len(nodes()) == count)
    return Counter(nodes())


def test_replicas_are_spread_over_the_nodes() -> None:
    async def story(cluster: Pretended) -> None:
        deploy(cluster, 6)
        assert await placed(cluster, 6) == {NODE: 2, "b": 2, "c": 2}

    play(story, "b", "c")


def test_pod_goes_where_most_is_free() -> None:
    async def story(cluster: Pretended) -> None:
        big = {"requests": {"cpu": "32", "memory": "32Gi"}}
        containers = [{"name": "c", "image": "one", "resources": big}]
        cluster.create("pods", "first", spec={"containers": containers})
        await cluster.until(lambda: all(cluster.nodes_of("first")))
        cluster.create("pods", "second", spec={"containers": containers})
        await cluster.until(lambda: all(cluster.nodes_of("second")))
        assert cluster.nodes_of("first") != cluster.nodes_of("second")

    play(story, "b")


def test_node_that_is_better_avoided_is_taken_last() -> None:
    async def story(cluster: Pretended) -> None:
        taint(cluster, NODE, {"key": "k", "effect": "PreferNoSchedule"})
        deploy(cluster, 3)
        assert await placed(cluster, 3) == {"b": 3}

    play(story, "b")


def test_preferred_node_is_taken() -> None:
    async def story(cluster: Pretended) -> None:
        here = [{"key": HOST, "operator": "In", "values": ["b"]}]
        wish = {"weight": 100, "preference": {"matchExpressions": here}}
        affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [wish]}}
        cluster.create("pods", "choosy", spec=template(affinity=affinity)["spec"])
        await cluster.until(lambda: cluster.nodes_of("choosy") == ["b"])

    play(story, "b", "c")


def test_anti_affinity_puts_one_pod_on_each_node_and_leaves_the_rest_pending() -> None:
    async def story(cluster: Pretended) -> None:
        term = {"labelSelector": WEB, "topologyKey": HOST}
        apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
        deploy(cluster, 3, affinity=apart)
        assert await placed(cluster, 2) == {NODE: 1, "b": 1}
        words = "2 node(s) didn't match pod anti-affinity rules"
        await cluster.until(lambda: any(words in message for _, message in cluster.events()))
        cluster.add_node("c")
        assert await placed(cluster, 3) == {NODE: 1, "b": 1, "c": 1}

    play(story, "b")


def constraint(when: str, key: str = HOST) -> dict:
    return {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": when, "labelSelector": WEB}


def test_topology_spread_holds_a_pod_back_rather_than_make_nodes_uneven() -> None:
    async def story(cluster: Pretended) -> None:
        taint(cluster, "b", {"key": "k", "effect": "NoSchedule"})
        deploy(cluster, 2, topologySpreadConstraints=[constraint("DoNotSchedule")])
        assert await placed(cluster, 1) == {NODE: 1}
        words = "1 node(s) didn't match pod topology spread constraints"
        await cluster.until(lambda: any(words in message for _, message in cluster.events()))
        taint(cluster, "b")
        assert await placed(cluster, 2) == {NODE: 1, "b": 1}

    play(story, "b")


def test_pod_goes_to_the_node_that_has_its_volume() -> None:
    async def story(cluster: Pretended) -> None:
        size = {"storage": "1Gi"}
        here = {"key": HOST, "operator": "In", "values": ["b"]}
        volume = {
            "capacity": size,
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "local",
            "local": {"path": "/data"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        }
        cluster.client.create("persistentvolumes", {"metadata": {"name": "v"}, "spec": volume})
        claim = {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "local",
            "resources": {"requests": size},
        }
        cluster.create("persistentvolumeclaims", "mine", spec=claim)
        uses = [{"name": "data", "persistentVolumeClaim": {"claimName": "mine"}}]
        cluster.create("pods", "keeper", spec=template(volumes=uses)["spec"])
        await cluster.until(lambda: cluster.nodes_of("keeper") == ["b"])

    play(story, "b")


def test_topology_spread_needs_its_label() -> None:
    async def story(cluster: Pretended) -> None:
        deploy(cluster, 1, topologySpreadConstraints=[constraint("DoNotSchedule", "zone")])
        words = "didn't match pod topology spread constraints (missing required label)"
        await cluster.until(lambda: any(words in message for _, message in cluster.events()))
        cluster.add_node("c", zone="z")
        assert await placed(cluster, 1) == {"c": 1}

    play(story)


def test_daemon_set_has_a_pod_on_each_node_and_follows_new_and_cordoned_ones() -> None:
    async def story(cluster: Pretended) -> None:
        cluster.create(DAEMONS, "agent", spec={"selector": WEB, "template": template()})
        await cluster.until(lambda: sorted(cluster.nodes_of("agent-")) == ["b", NODE])
        cluster.add_node("c")
        await cluster.until(lambda: sorted(cluster.nodes_of("agent-")) == ["b", "c", NODE])

        def cordon(node: dict) -> None:
            node["spec"] = {"unschedulable": True}

        cluster.client.change("nodes", cluster.client.get("nodes", "", "c"), cordon)
        mark = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}

        def taints() -> list[dict]:
            node = cluster.client.get("nodes", "", "c")
            return [
                {"key": one["key"], "effect": one["effect"]}
                for one in at(node, "spec", "taints", default=[])
            ]

        await cluster.until(lambda: taints() == [mark])
        assert sorted(cluster.nodes_of("agent-")) == ["b", "c", NODE]

    play(story, "b")


def test_daemon_set_is_updated_a_node_at_a_time() -> None:
    async def story(cluster: Pretended) -> None:
        cluster.create(DAEMONS, "agent", spec={"selector": WEB, "template": template()})
        status = lambda: cluster.get(DAEMONS, "agent").get("status") or {}  # noqa: E731
        await cluster.until(lambda: status().get("numberAvailable") == 3)
        cluster.unready.add("two")

        def update(fresh: dict) -> None:
            fresh["spec"]["template"]["spec"]["containers"][0]["image"] = "two"

        cluster.change(DAEMONS, "agent", update)
        await cluster.until(lambda: status().get("updatedNumberScheduled") == 1)
        # The new Pod never gets ready: no second node may lose its own.
        await cluster.until(lambda: len([n for n in cluster.nodes_of("agent-") if n]) == 3)
        assert status().get("numberUnavailable") == 1
        assert status()["updatedNumberScheduled"] == 1

    play(story, "b", "c")


def test_time_of_a_toleration_runs_on_while_another_node_is_tainted() -> None:
    async def story(cluster: Pretended) -> None:
        tolerations = [{"key": "k", "operator": "Exists", "tolerationSeconds": 2}]
        cluster.create("pods", "short", spec=template(tolerations=tolerations)["spec"])
        await cluster.until(lambda: all(cluster.nodes_of("short")))
        (here,) = cluster.nodes_of("short")
        other = "b" if here == NODE else NODE
        taint(cluster, here, {"key": "k", "effect": "NoExecute"})
        left = 40
        while cluster.nodes_of("short") and left:
            left -= 1
            taint(cluster, other, *({"key": "k", "effect": "NoExecute"},)[: left % 2])
            await asyncio.sleep(0.25)
        assert left, "the Pod is still there after five times its time"

    play(story, "b")


def beat(cluster: Pretended, name: str) -> None:
    """The node's kubelet says that it lives."""
    lease = cluster.client.get(LEASES, "kube-node-lease", name)
    meta = {"name": name, "namespace": "kube-node-lease"}
    spec = {"holderIdentity": name, "renewTime": now_micro()}
    if lease is None:
        cluster.client.create(LEASES, {"metadata": meta, "spec": spec})
    else:
        cluster.client.change(LEASES, lease, lambda fresh: fresh | {"spec": spec})


@contextlib.asynccontextmanager
async def beating(cluster: Pretended, name: str) -> AsyncIterator[None]:
    async def beats() -> None:
        while True:
            beat(cluster, name)
            await asyncio.sleep(0.05)

    task = asyncio.ensure_future(beats())
    yield
    task.cancel()


def test_silent_node_is_not_ready_and_its_pods_are_made_elsewhere() -> None:
    async def story() -> None:
        cluster = Pretended()
        cluster.client.create("namespaces", {"metadata": {"name": "kube-node-lease"}})
        cluster.add_node("b")
        for name in (NODE, "b"):
            node = cluster.client.get("nodes", "", name)
            ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
            times = {"lastTransitionTime": now(), "lastHeartbeatTime": now()}
            other = {"type": "NetworkUnavailable", "status": "False"} | times
            status = node["status"] | {"conditions": [ready | times, other]}
            cluster.client.set_status("nodes", node, status)
            beat(cluster, name)
        async with (
            beating(cluster, NODE),
            cluster.running(NodeLifecycle(cluster.client, grace_seconds=1)),
        ):
            soon = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0}
            deploy(cluster, 2, tolerations=[soon])

            assert await placed(cluster, 2) == {NODE: 1, "b": 1}
            await cluster.until(lambda: cluster.nodes_of("web-") == [NODE, NODE])
            lost, kept = (cluster.client.get("nodes", "", name) for name in ("b", NODE))
            assert condition(lost, "Ready")["reason"] == "NodeStatusUnknown"
            assert condition(lost, "NetworkUnavailable")["status"] == "False", "not the kubelet's"
            assert {(t["key"], t["effect"]) for t in lost["spec"]["taints"]} == {
                ("node.kubernetes.io/unreachable", "NoSchedule"),
                ("node.kubernetes.io/unreachable", "NoExecute"),
            }
            assert condition(kept, "Ready")["status"] == "True"
            assert ("NodeNotReady", "Node b status is now: NodeNotReady") in cluster.events()

    asyncio.run(story())
