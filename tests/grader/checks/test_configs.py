"""ConfigMaps and Secrets of a real cluster."""

from __future__ import annotations

import json

import pytest

from grader import configmap, pod, secret

from .test_pods import Kubectl, failure

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]


@pytest.fixture(scope="module", autouse=True)
def made(kubectl: Kubectl) -> None:
    """One of each, and an empty one."""
    kubectl(
        "create", "configmap", "settings", "--from-literal=COLOUR=blue", "--from-literal=SIZE=large"
    )
    kubectl("create", "secret", "generic", "keys", "--from-literal=token=s3cret")
    kubectl("create", "configmap", "empty")


def test_what_they_hold_is_text() -> None:
    assert configmap("settings").data == {"COLOUR": "blue", "SIZE": "large"}
    assert secret("keys").data == {"token": "s3cret"}
    configmap("settings").must_have("COLOUR")
    configmap("settings").must_have("COLOUR=blue")
    secret("keys").must_have("token=s3cret")


def test_missing_key_is_told_with_what_there_is() -> None:
    told = failure(configmap("settings").must_have, "SHAPE")
    assert told.found == "The ConfigMap `settings` has no key `SHAPE`. It has `COLOUR`, `SIZE`."
    assert told.hint == "kubectl edit configmap settings"
    assert failure(configmap("empty").must_have, "SHAPE").found.endswith("It is empty.")


def test_other_value_is_told_and_not_shown() -> None:
    told = failure(secret("keys").must_have, "token=other")
    assert told.found == "The Secret `keys` has another value under `token`."
    assert "s3cret" not in str(told)
    assert "other`" not in told.expected
    told = failure(secret("keys").must_have, "token=s3cret ")
    assert told.found.endswith("under `token`: it differs only in the space around it.")


def test_missing_one_says_how_to_make_it() -> None:
    assert (
        failure(secret("nothing").must_have, "token").hint
        == "kubectl create secret generic nothing --from-literal=KEY=VALUE"
    )


def test_change_lasts_as_long_as_the_block() -> None:
    with (
        configmap("settings").changed("COLOUR", "green"),
        secret("keys").changed("token", "another"),
    ):
        assert configmap("settings").data["COLOUR"] == "green"
        assert secret("keys").data["token"] == "another"
    assert configmap("settings").data == {"COLOUR": "blue", "SIZE": "large"}
    assert secret("keys").data == {"token": "s3cret"}
    with configmap("empty").changed("A", "1"):
        assert configmap("empty").data == {"A": "1"}
    assert configmap("empty").data == {}


def test_what_cannot_be_changed_is_the_students(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "fixed", "--from-literal=A=1")
    kubectl("patch", "configmap", "fixed", "--type=merge", "--patch", '{"immutable": true}')
    with (
        pytest.raises(Exception, match="The ConfigMap `fixed` cannot be changed: "),
        configmap("fixed").changed("A", "2"),
    ):
        pass


TAKEN = {
    "variable": {
        "env": [
            {
                "name": "COLOUR",
                "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "COLOUR"}},
            },
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
        ]
    },
    "environment": {
        "envFrom": [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "keys"}}]
    },
    "files": {
        "volumeMounts": [{"name": "a", "mountPath": "/a"}, {"name": "b", "mountPath": "/b"}],
        "volumes": [
            {"name": "a", "configMap": {"name": "settings"}},
            {"name": "b", "secret": {"secretName": "keys"}},
        ],
    },
    "projected": {
        "volumeMounts": [{"name": "a", "mountPath": "/a"}],
        "volumes": [
            {
                "name": "a",
                "projected": {
                    "sources": [{"configMap": {"name": "settings"}}, {"secret": {"name": "keys"}}]
                },
            }
        ],
    },
}
COPIED = {
    "by-hand": {"env": [{"name": "COLOUR", "value": "blue"}, {"name": "T", "value": "s3cret"}]},
    "unmounted": {
        "volumes": [
            {"name": "a", "configMap": {"name": "settings"}},
            {"name": "b", "secret": {"secretName": "keys"}},
        ]
    },
    "others": {"envFrom": [{"configMapRef": {"name": "keys", "optional": True}}]},
}


def taking(kubectl: Kubectl, name: str, container: dict[str, object]) -> None:
    volumes = container.pop("volumes", [])
    first = {"name": "c", "image": "busybox", "imagePullPolicy": "IfNotPresent", **container}
    kubectl(
        "create",
        "-f",
        "-",
        stdin=json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name},
                "spec": {"containers": [first], "volumes": volumes},
            }
        ),
    )


@pytest.mark.parametrize("way", TAKEN)
def test_pod_takes_from_them_in_each_way(kubectl: Kubectl, way: str) -> None:
    taking(kubectl, way, dict(TAKEN[way]))
    pod(way).must_use(configmap("settings"))
    pod(way).must_use(secret("keys"))


@pytest.mark.parametrize("way", COPIED)
def test_pod_that_has_their_values_by_hand_takes_nothing(kubectl: Kubectl, way: str) -> None:
    taking(kubectl, way, dict(COPIED[way]))
    told = failure(pod(way).must_use, configmap("settings"))
    assert told.found == f"`{way}` takes nothing from the ConfigMap `settings`."
    assert told.expected == "an environment variable or a file from the ConfigMap `settings`."
    assert "the Secret `keys`" in failure(pod(way).must_use, secret("keys")).found
