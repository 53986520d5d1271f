"""What becomes of objects on their way in, and of Pods on their way to a node; without an
engine.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

pytest.importorskip("kubernetes_validate")

from lab.cluster.model.errors import APIError
from lab.cluster.model.objects import at
from lab.cluster.registry.custom import fill_in

from .pretended import NODE, Pretended

PODS, SERVICES, CLAIMS, CLASSES = (
    "pods",
    "services",
    "persistentvolumeclaims",
    "storageclasses.storage.k8s.io",
)
CONTAINERS = [{"name": "c", "image": "one"}]


def play(story: Callable[[Pretended], Awaitable[None]]) -> None:
    async def run() -> None:
        cluster = Pretended()
        async with cluster.running():
            await story(cluster)

    asyncio.run(run())


def placed(cluster: Pretended, name: str) -> bool:
    return at(cluster.get(PODS, name), "spec", "nodeName") == NODE


def put_into_a_zone(cluster: Pretended) -> None:
    node = cluster.client.get("nodes", "", NODE)
    cluster.client.change(
        "nodes", node, lambda found: found["metadata"].update(labels={"zone": "a"})
    )


def labelled_pod(cluster: Pretended, name: str, app: str, spec: dict) -> None:
    cluster.client.create(
        PODS,
        {"metadata": {"name": name, "namespace": "default", "labels": {"app": app}}, "spec": spec},
    )


def test_service_that_is_for_the_inside_again_loses_its_node_port() -> None:
    async def story(cluster: Pretended) -> None:
        cluster.create(
            SERVICES,
            "web",
            spec={"type": "NodePort", "selector": {"a": "b"}, "ports": [{"port": 80}]},
        )
        assert cluster.get(SERVICES, "web")["spec"]["ports"][0]["nodePort"]
        cluster.change(SERVICES, "web", lambda service: service["spec"].update(type="ClusterIP"))
        assert "nodePort" not in cluster.get(SERVICES, "web")["spec"]["ports"][0]

    play(story)


def test_pod_of_an_account_that_is_not_there_is_refused() -> None:
    async def story(cluster: Pretended) -> None:
        with pytest.raises(
            APIError,
            match='error looking up service account default/nobody: serviceaccount "nobody"',
        ):
            cluster.create(
                PODS, "p", spec={"serviceAccountName": "nobody", "containers": CONTAINERS}
            )

    play(story)


def test_account_that_wants_no_token_gives_its_pods_none() -> None:
    async def story(cluster: Pretended) -> None:
        cluster.create(
            "serviceaccounts",
            "quiet",
            automountServiceAccountToken=False,
            imagePullSecrets=[{"name": "s"}],
        )
        spec = cluster.create(
            PODS, "p", spec={"serviceAccountName": "quiet", "containers": CONTAINERS}
        )["spec"]
        assert "volumes" not in spec
        assert spec["imagePullSecrets"] == [{"name": "s"}]

    play(story)


def test_pod_without_a_priority_has_the_one_for_everybody() -> None:
    async def story(cluster: Pretended) -> None:
        cluster.client.create(
            "priorityclasses.scheduling.k8s.io",
            {"metadata": {"name": "usual"}, "value": 7, "globalDefault": True},
        )
        spec = cluster.create(PODS, "p", spec={"containers": CONTAINERS})["spec"]
        assert (spec["priority"], spec["priorityClassName"]) == (7, "usual")

    play(story)


def test_pods_that_keep_apart_need_two_nodes() -> None:
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}}}
    away = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}

    async def story(cluster: Pretended) -> None:
        put_into_a_zone(cluster)
        for name in ("one", "two"):
            spec = {"containers": CONTAINERS, "affinity": away}
            labelled_pod(cluster, name, "web", spec)
        await cluster.until(lambda: placed(cluster, "one"))
        why = "1 node(s) didn't match pod anti-affinity rules"
        await cluster.until(lambda: any(why in message for _, message in cluster.events()))
        assert not placed(cluster, "two")
        cluster.client.delete(PODS, cluster.get(PODS, "one"))
        await cluster.until(lambda: placed(cluster, "two"))

    play(story)


def test_pod_that_wants_to_be_near_another_waits_for_it() -> None:
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "db"}}}
    near = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}

    async def story(cluster: Pretended) -> None:
        put_into_a_zone(cluster)
        cluster.create(PODS, "web", spec={"containers": CONTAINERS, "affinity": near})
        await cluster.until(
            lambda: any("didn't match pod affinity rules" in m for _, m in cluster.events())
        )
        labelled_pod(cluster, "db", "db", {"containers": CONTAINERS})
        await cluster.until(lambda: placed(cluster, "web"))

    play(story)


def test_claim_that_waits_for_a_pod_is_bound_for_it() -> None:
    async def story(cluster: Pretended) -> None:
        cluster.client.create(
            CLASSES,
            {
                "metadata": {"name": "late"},
                "provisioner": "kubernetes.io/no-provisioner",
                "volumeBindingMode": "WaitForFirstConsumer",
            },
        )
        size = {"storage": "1Gi"}
        common = {"accessModes": ["ReadWriteOnce"], "storageClassName": "late"}
        cluster.client.create(
            "persistentvolumes",
            {
                "metadata": {"name": "v"},
                "spec": {**common, "capacity": size, "hostPath": {"path": "/v"}},
            },
        )
        cluster.create(CLAIMS, "c", spec={**common, "resources": {"requests": size}})
        told = ("WaitForFirstConsumer", "waiting for first consumer to be created before binding")
        await cluster.until(lambda: told in cluster.events())
        assert cluster.get(CLAIMS, "c")["status"]["phase"] == "Pending"
        volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
        cluster.create(PODS, "p", spec={"containers": CONTAINERS, "volumes": volumes})
        await cluster.until(lambda: placed(cluster, "p"))
        assert cluster.get(CLAIMS, "c")["status"]["phase"] == "Bound"
        assert "FailedScheduling" not in {reason for reason, _ in cluster.events()}

    play(story)


def test_claim_of_a_volume_made_by_hand_does_not_grow() -> None:
    async def story(cluster: Pretended) -> None:
        size = {"storage": "1Gi"}
        spec = {"accessModes": ["ReadWriteOnce"]}
        cluster.client.create(
            "persistentvolumes",
            {
                "metadata": {"name": "v"},
                "spec": {**spec, "capacity": size, "hostPath": {"path": "/v"}},
            },
        )
        cluster.create(CLAIMS, "c", spec={**spec, "resources": {"requests": size}})
        await cluster.until(lambda: cluster.get(CLAIMS, "c")["status"]["phase"] == "Bound")
        with pytest.raises(APIError, match="only dynamically provisioned pvc can be resized"):
            cluster.change(
                CLAIMS,
                "c",
                lambda claim: claim["spec"]["resources"].update(requests={"storage": "2Gi"}),
            )

    play(story)


def test_custom_resources_have_the_defaults_of_their_schema() -> None:
    inner = {
        "type": "object",
        "default": {},
        "properties": {"size": {"type": "integer", "default": 3}},
    }
    schema = {
        "type": "object",
        "properties": {"spec": inner, "items": {"type": "array", "items": inner}},
    }
    obj: dict = {"items": [{}, {"size": 1}]}
    fill_in(obj, schema)
    assert obj == {"spec": {"size": 3}, "items": [{"size": 3}, {"size": 1}]}


def test_quota_counts_in_the_units_that_were_asked_for() -> None:
    def asking(name: str, memory: str, **more: object) -> dict:
        container = {"name": "c", "image": "one", "resources": {"requests": {"memory": memory}}}
        return {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"containers": [container], **more},
        }

    async def story(cluster: Pretended) -> None:
        cluster.create("resourcequotas", "q", spec={"hard": {"requests.memory": "256Mi"}})
        first = {"name": "i", "image": "one", "resources": {"requests": {"memory": "100Mi"}}}
        cluster.client.create(
            PODS, asking("small", "64Mi", initContainers=[first])
        )  # the most that it needs at a time
        await cluster.until(
            lambda: (
                cluster.get("resourcequotas", "q")["status"].get("used")
                == {"requests.memory": "100Mi"}
            )
        )
        with pytest.raises(APIError) as refused:
            cluster.client.create(PODS, asking("big", "192Mi"))
        assert (
            "exceeded quota: q, requested: requests.memory=192Mi, used: requests.memory=100Mi,"
            " limited: requests.memory=256Mi" in str(refused.value)
        )

    play(story)
