"""Malformed requests: whatever is sent, the answer is a 4xx with a Status, or the thing is done;
never a 5xx, and the cluster lives on.
"""

import json
import random

import httpx
import pytest

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "f", "labels": {"a": "b"}},
    "spec": {
        "schedulerName": "none",
        "containers": [
            {
                "name": "c",
                "image": "busybox",
                "env": [{"name": "A", "value": "b"}],
                "ports": [{"containerPort": 80}],
                "resources": {"limits": {"cpu": "1"}},
                "readinessProbe": {"httpGet": {"port": 80}},
                "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            }
        ],
        "volumes": [{"name": "v", "configMap": {"name": "x"}}],
        "tolerations": [{"key": "k", "operator": "Exists"}],
    },
}
LABELS = {"matchLabels": {"a": "b"}}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": POD["spec"]}
OBJECTS = {
    "/api/v1/namespaces/default/pods": POD,
    "/api/v1/namespaces/default/services": {
        "metadata": {"name": "f"},
        "spec": {
            "type": "NodePort",
            "ports": [{"port": 80, "targetPort": "x"}],
            "selector": {"a": "b"},
        },
    },
    "/api/v1/namespaces/default/configmaps": {"metadata": {"name": "f"}, "data": {"a": "b"}},
    "/api/v1/namespaces/default/secrets": {
        "metadata": {"name": "f"},
        "data": {"a": "Yg=="},
        "stringData": {"c": "d"},
    },
    "/api/v1/namespaces/default/persistentvolumeclaims": {
        "metadata": {"name": "f"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    },
    "/api/v1/namespaces/default/resourcequotas": {
        "metadata": {"name": "f"},
        "spec": {"hard": {"pods": "100"}},
    },
    "/api/v1/namespaces/default/limitranges": {
        "metadata": {"name": "f"},
        "spec": {"limits": [{"type": "Container", "default": {"cpu": "1"}}]},
    },
    "/apis/apps/v1/namespaces/default/deployments": {
        "metadata": {"name": "f"},
        "spec": {"replicas": 0, "selector": LABELS, "template": TEMPLATE},
    },
    "/apis/apps/v1/namespaces/default/statefulsets": {
        "metadata": {"name": "f"},
        "spec": {
            "replicas": 0,
            "serviceName": "f",
            "selector": LABELS,
            "template": TEMPLATE,
            "volumeClaimTemplates": [{"metadata": {"name": "v"}, "spec": {}}],
        },
    },
    "/apis/batch/v1/namespaces/default/jobs": {
        "metadata": {"name": "f"},
        "spec": {"suspend": True, "template": {"spec": {**POD["spec"], "restartPolicy": "Never"}}},
    },
    "/apis/batch/v1/namespaces/default/cronjobs": {
        "metadata": {"name": "f"},
        "spec": {
            "schedule": "0 0 1 1 *",
            "suspend": True,
            "jobTemplate": {
                "spec": {"template": {"spec": {**POD["spec"], "restartPolicy": "Never"}}}
            },
        },
    },
    "/apis/networking.k8s.io/v1/namespaces/default/ingresses": {
        "metadata": {"name": "f"},
        "spec": {
            "rules": [
                {
                    "host": "a.b",
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "pathType": "Prefix",
                                "backend": {"service": {"name": "a", "port": {"number": 80}}},
                            }
                        ]
                    },
                }
            ]
        },
    },
    "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers": {
        "metadata": {"name": "f"},
        "spec": {
            "maxReplicas": 3,
            "scaleTargetRef": {"kind": "Deployment", "name": "f", "apiVersion": "apps/v1"},
        },
    },
    "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings": {
        "metadata": {"name": "f"},
        "roleRef": {"kind": "Role", "name": "r", "apiGroup": "rbac.authorization.k8s.io"},
        "subjects": [{"kind": "User", "name": "u"}],
    },
}
ODD = (
    None,
    True,
    -1,
    0,
    1.5,
    10**20,
    "",
    "x",
    "\u0000",
    "a" * 300,
    [],
    {},
    [None],
    [1],
    {"a": None},
    {"a": {"b": []}},
    [[]],
    "1Gi",
    "é",
    ["x"],
)
KINDS = {
    "application/merge-patch+json": lambda obj: obj,
    "application/strategic-merge-patch+json": lambda obj: obj,
    "application/json-patch+json": lambda obj: [
        {"op": "replace", "path": "/spec", "value": obj.get("spec")},
        {"op": random.choice(("add", "x")), "path": "/a/b"},
    ],
}


def mutated(value: object, chance: random.Random) -> object:
    """A copy in which a few values are something else."""
    if chance.random() < 0.04:
        return chance.choice(ODD)
    if isinstance(value, dict):
        return {
            key if chance.random() > 0.02 else "$patch": mutated(child, chance)
            for key, child in value.items()
        }
    if isinstance(value, list):
        return [mutated(child, chance) for child in value] * (1 if chance.random() > 0.05 else 2)
    return value


@pytest.mark.parametrize("seed", range(6))
def test_odd_objects_are_refused_politely(cluster, seed: int) -> None:
    chance = random.Random(seed)
    random.seed(seed)
    failed = []
    with cluster.http() as http:
        for _ in range(60):
            for path, obj in OBJECTS.items():
                body = mutated(obj, chance)
                answer = http.post(
                    path, content=json.dumps(body), headers={"Content-Type": "application/json"}
                )
                failed += note(answer, body)
                kind = chance.choice(list(KINDS))
                patch = KINDS[kind](body if isinstance(body, dict) else {})
                answer = http.patch(
                    f"{path}/f", content=json.dumps(patch), headers={"Content-Type": kind}
                )
                failed += note(answer, patch)
                if chance.random() < 0.3:
                    failed += note(http.delete(f"{path}/f", params={"gracePeriodSeconds": 0}), None)
        for path in OBJECTS:
            http.delete(f"{path}/f", params={"gracePeriodSeconds": 0})
        assert sorted({text for _, text, _ in failed}) == []
        assert http.get("/readyz").text == "ok"


def test_template_that_nobody_validates_is_stored_and_shown(cluster) -> None:
    """As on Kubernetes: a StatefulSet whose Pods cannot be made is there, and says so in its
    events.
    """
    path = "/apis/apps/v1/namespaces/default/statefulsets"
    spec = {"containers": [{"env": [{"value": "x"}], "volumeMounts": [{}]}], "volumes": [{}]}
    odd = {
        "metadata": {"name": "odd"},
        "spec": {
            "serviceName": "odd",
            "selector": LABELS,
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": spec},
            "volumeClaimTemplates": [{}],
        },
    }
    with cluster.http() as http:
        try:
            assert http.post(path, json=odd).status_code == 201
            assert http.get(path, headers={"Accept": TABLE}).status_code == 200
            assert cluster.run("kubectl describe statefulset odd").returncode == 0
            assert cluster.run("kubectl get statefulset odd -o wide").returncode == 0
        finally:
            http.delete(f"{path}/odd")
        assert http.get("/readyz").text == "ok"


def note(answer: httpx.Response, body: object) -> list[tuple[int, str, str]]:
    if answer.status_code < 400:
        return []
    status = answer.json()
    well = (
        answer.status_code < 500
        and status["kind"] == "Status"
        and status["message"]
        and status["code"] == answer.status_code
    )
    return [] if well else [(answer.status_code, answer.text[:300], json.dumps(body)[:600])]


@pytest.mark.parametrize(
    ("method", "path", "content", "kind"),
    [
        ("POST", "/api/v1/namespaces/default/pods", b"{", "application/json"),
        ("POST", "/api/v1/namespaces/default/pods", b"[" * 5000, "application/json"),
        ("POST", "/api/v1/namespaces/default/pods", b"\xff\xfe", "application/json"),
        (
            "POST",
            "/api/v1/namespaces/default/pods",
            b"k8s\0\xff\xff\xff",
            "application/vnd.kubernetes.protobuf",
        ),
        ("POST", "/api/v1/namespaces/default/pods", b"k8s", "application/vnd.kubernetes.protobuf"),
        ("POST", "/api/v1/namespaces/default/pods", b"a: [", "application/yaml"),
        ("POST", "/api/v1/namespaces/default/pods", b"{}", "text/html"),
        ("POST", "/api/v1/namespaces/default/pods", b"x" * 4_000_000, "application/json"),
        ("PATCH", "/api/v1/namespaces/default", b"[]", "application/strategic-merge-patch+json"),
        ("GET", "/api/v1/pods?labelSelector=a%20in%20(", b"", "application/json"),
        ("GET", "/api/v1/pods?limit=x", b"", "application/json"),
        ("GET", "/api/v1/pods?continue=x", b"", "application/json"),
        ("GET", "/api/v1/pods?watch=true&resourceVersion=x", b"", "application/json"),
        (
            "DELETE",
            "/api/v1/namespaces/default/pods/none?gracePeriodSeconds=x",
            b"",
            "application/json",
        ),
        ("PUT", "/api/v1/namespaces/default/pods", b"{}", "application/json"),
        ("DELETE", "/api/v1/namespaces/default/status", b"", "application/json"),
        (
            "DELETE",
            "/apis/apps/v1/namespaces/default/deployments/none/status",
            b"",
            "application/json",
        ),
        (
            "DELETE",
            "/api/v1/namespaces/default/pods/none",
            b'{"preconditions": []}',
            "application/json",
        ),
        (
            "POST",
            "/api/v1/namespaces/default/pods/none/eviction",
            b'{"deleteOptions": "now"}',
            "application/json",
        ),
        (
            "POST",
            "/api/v1/namespaces/default/pods/none/binding",
            b'{"target": []}',
            "application/json",
        ),
        (
            "POST",
            "/api/v1/namespaces/default/serviceaccounts/default/token",
            b'{"spec": []}',
            "application/json",
        ),
        (
            "POST",
            "/api/v1/namespaces/default/serviceaccounts/default/token",
            b'{"spec": {"expirationSeconds": "x"}}',
            "application/json",
        ),
        (
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            b'{"spec": []}',
            "application/json",
        ),
        (
            "POST",
            "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            b'{"spec": {"groups": 1}}',
            "application/json",
        ),
        (
            "POST",
            "/apis/authentication.k8s.io/v1/tokenreviews",
            b'{"spec": "x"}',
            "application/json",
        ),
        (
            "PUT",
            "/apis/apps/v1/namespaces/default/deployments/none/scale",
            b"[]",
            "application/json",
        ),
        ("OPTIONS", "/api/v1/namespaces/default/configmaps/none", b"", "application/json"),
    ],
)
def test_what_is_no_request_is_refused_politely(
    cluster, method: str, path: str, content: bytes, kind: str
) -> None:
    with cluster.http() as http:
        answer = http.request(method, path, content=content, headers={"Content-Type": kind})
        assert 400 <= answer.status_code < 500, answer.text[:300]
        assert answer.json()["kind"] == "Status"


def test_nobody_is_let_in_without_a_credential(cluster) -> None:
    with httpx.Client(base_url=cluster.server, verify=cluster.trust()) as http:
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp4"}):
            answer = http.get("/api/v1/secrets", headers=headers)
            assert answer.status_code == 401
            assert answer.json()["reason"] == "Unauthorized"
