"""A student's request reaches no container that a check has made, however it is named."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from lab.inside.guard.owners import Owners
from lab.inside.guard.policy import judge, judged_body
from lab.inside.guard.strict import Forbidden

OWN, CHECKS, PODS, TRIAL = "a1" * 32, "b2" * 32, "c3" * 32, "d4" * 32
KUBELETS = {"io.kubernetes.pod.name": "web-5d9", "io.kubernetes.pod.namespace": "default"}
LABELS: dict[str, dict[str, str]] = {
    OWN: {},
    CHECKS: {"grader.throwaway": "true", "grader.alone": "true"},
    PODS: KUBELETS,
    TRIAL: KUBELETS | {"io.kubernetes.pod.name": "check-1f2e3d"},
}
NAMES = {"web": OWN, "cafe": OWN, "check-0123456789abcdef": CHECKS, "k8s_web": PODS}


def inspect(name: str) -> Mapping[str, Any] | None:
    """As the engine finds a container: by its id, by its name, by the beginning of its id."""
    found = name if name in LABELS else NAMES.get(name)
    beginnings = [one for one in LABELS if one.startswith(name)]
    found = found or (beginnings[0] if len(beginnings) == 1 else None)
    return {"Id": found, "Config": {"Labels": LABELS[found]}} if found else None


def ask(method: str, target: str, body: Any = None) -> tuple[str, dict[str, Any]]:
    """What the engine would get."""
    owners = Owners(inspect)
    route, target = judge(method, target)
    content = judged_body(route, json.dumps(body or {}).encode(), settle=owners.settle)
    return owners.settled_target(method, target), json.loads(content or b"{}")


@pytest.mark.parametrize("name", [CHECKS, CHECKS[:12], "b", "check-0123456789abcdef", TRIAL, "d4"])
@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", "/v1.45/containers/{}/exec", {"Cmd": ["sh"]}),
        ("POST", "/containers/{}/attach?stream=1", None),
        ("POST", "/v1.45/containers/{}/stop", None),
        ("POST", "/v1.45/containers/{}/rename?name=other", None),
        ("POST", "/v1.45/containers/{}/update", {"Memory": 1}),
        ("PUT", "/v1.45/containers/{}/archive?path=/", None),
        ("DELETE", "/v1.45/containers/{}?force=1", None),
        ("POST", "/v1.45/commit?container={}", {}),
        ("POST", "/v1.45/networks/bridge/connect", {"Container": "{}"}),
        ("POST", "/v1.45/networks/bridge/disconnect", {"Container": "{}"}),
        ("POST", "/containers/create", {"HostConfig": {"PidMode": "container:{}"}}),
        ("POST", "/containers/create", {"HostConfig": {"IpcMode": "container:{}"}}),
        ("POST", "/containers/create", {"HostConfig": {"NetworkMode": "container:{}"}}),
        ("POST", "/containers/create", {"HostConfig": {"VolumesFrom": ["web", "{}:ro"]}}),
    ],
)
def test_a_checks_container_is_out_of_reach(method: str, target: str, body: Any, name: str) -> None:
    named = json.loads(json.dumps(body).replace("{}", name)) if body else body
    with pytest.raises(Forbidden, match="belongs to a check"):
        ask(method, target.replace("{}", name), named)


@pytest.mark.parametrize("name", ["check-0123456789abcdef", CHECKS[:12]])
@pytest.mark.parametrize("path", ["json", "logs", "top"])
def test_it_can_be_looked_at(name: str, path: str) -> None:
    target = f"/v1.45/containers/{name}/{path}"
    assert ask("GET", target)[0] == target


@pytest.mark.parametrize(
    ("name", "meant"),
    [("web", "web"), (OWN, OWN), (OWN[:12], OWN), ("cafe", OWN), ("k8s_web", "k8s_web")],
)
def test_the_beginning_of_an_id_means_the_same_later(name: str, meant: str) -> None:
    assert ask("POST", f"/v1.45/containers/{name}/stop?t=1")[0] == (
        f"/v1.45/containers/{meant}/stop?t=1"
    )
    assert ask("DELETE", f"/containers/{name}")[0] == f"/containers/{meant}"
    host = {"NetworkMode": f"container:{name}", "VolumesFrom": [f"{name}:ro"]}
    assert ask("POST", "/containers/create", {"HostConfig": host})[1]["HostConfig"] == {
        "NetworkMode": f"container:{meant}",
        "VolumesFrom": [f"{meant}:ro"],
    }


def test_a_name_that_nobody_has_is_the_engines_to_answer() -> None:
    assert ask("DELETE", "/v1.45/containers/nobody")[0] == "/v1.45/containers/nobody"
    made = ask("POST", "/containers/create", {"HostConfig": {"NetworkMode": "none"}})[1]
    assert made["HostConfig"] == {"NetworkMode": "none"}


def test_what_may_become_the_beginning_of_an_id_is_refused_as_the_engine_does() -> None:
    for target in ("/v1.45/containers/e5/stop", "/v1.45/containers/e/start"):
        with pytest.raises(Forbidden, match="No such container: e") as refused:
            ask("POST", target)
        assert refused.value.status == 404
    with pytest.raises(Forbidden):
        ask("POST", "/containers/create", {"HostConfig": {"PidMode": "container:e5"}})
