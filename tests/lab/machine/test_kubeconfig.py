"""The kubeconfig that the lab takes along: one context, whole, reached at a port of its own."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.errors import LabError
from lab.machine import kubeconfig

CLUSTER = {"server": "https://127.0.0.1:35531", "certificate-authority-data": "Y2E="}


def written(folder: Path, name: str = "config", **more: Any) -> str:
    content = {
        "current-context": "kind-kind",
        "clusters": [
            {"name": "kind", "cluster": CLUSTER},
            {"name": "prod", "cluster": {"server": "https://prod"}},
        ],
        "users": [
            {"name": "me", "user": {"token": "secret"}},
            {"name": "boss", "user": {"token": "other"}},
        ],
        "contexts": [
            {"name": "kind-kind", "context": {"cluster": "kind", "user": "me"}},
            {"name": "prod", "context": {"cluster": "prod", "user": "boss"}},
        ],
        **more,
    }
    path = folder / name
    path.write_text(yaml.safe_dump(content))
    return str(path)


def test_current_context_alone_is_taken(tmp_path: Path) -> None:
    taken = kubeconfig.current({"KUBECONFIG": written(tmp_path)})
    document = taken.document("docker-course-1")
    assert taken.server == ("127.0.0.1", 35531)
    assert document["contexts"] == [
        {
            "name": "lab",
            "context": {"cluster": "lab", "user": "lab", "namespace": "docker-course-1"},
        }
    ]
    assert "other" not in yaml.safe_dump(document)
    assert "prod" not in yaml.safe_dump(document)


def test_files_that_it_names_come_along(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(b"authority")
    (tmp_path / "me.key").write_bytes(b"key")
    (tmp_path / "token").write_text("from a file\n")
    clusters = [
        {
            "name": "kind",
            "cluster": {"server": "https://10.0.0.1:6443", "certificate-authority": "ca.crt"},
        }
    ]
    users = [{"name": "me", "user": {"client-key": str(tmp_path / "me.key"), "tokenFile": "token"}}]
    taken = kubeconfig.current({"KUBECONFIG": written(tmp_path, clusters=clusters, users=users)})
    assert taken.cluster["certificate-authority-data"] == base64.b64encode(b"authority").decode()
    assert taken.user == {
        "client-key-data": base64.b64encode(b"key").decode(),
        "token": "from a file",
    }


def test_first_of_several_files_wins(tmp_path: Path) -> None:
    first = written(tmp_path, "first", clusters=[], contexts=[])
    second = written(
        tmp_path,
        "second",
        users=[{"name": "me", "user": {"token": "second"}}],
        **{"current-context": "prod"},
    )
    taken = kubeconfig.current({"KUBECONFIG": f"{first}:{tmp_path / 'missing'}:{second}"})
    assert (taken.context, taken.user["token"]) == ("kind-kind", "secret")


@pytest.mark.parametrize(
    ("server", "moved", "name"),
    [
        ("https://127.0.0.1:35531", "https://127.0.0.1:6443", "127.0.0.1"),
        ("https://[::1]:6443", "https://127.0.0.1:6443", "::1"),
        (
            "https://rancher.example/k8s/clusters/c1",
            "https://127.0.0.1:6443/k8s/clusters/c1",
            "rancher.example",
        ),
        ("http://127.0.0.1:8001", "http://127.0.0.1:6443", None),
    ],
)
def test_server_is_reached_at_another_port_under_its_own_name(
    server: str, moved: str, name: str | None
) -> None:
    found = kubeconfig.Kubeconfig("x", {"server": server}, {}).at(6443).cluster
    assert (found["server"], found.get("tls-server-name")) == (moved, name)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"current-context": ""}, "no current context"),
        ({"contexts": []}, "needs the context kind-kind"),
        ({"users": []}, "needs the user me"),
        ({"users": [{"name": "me", "user": {"tokenFile": "gone"}}]}, "gone, which cannot be read"),
        (
            {"users": [{"name": "me", "user": {"exec": {"command": "aws"}}}]},
            "signs in through a program on this machine (aws)",
        ),
        (
            {"clusters": [{"name": "kind", "cluster": {**CLUSTER, "proxy-url": "socks5://x"}}]},
            "through a proxy",
        ),
    ],
)
def test_what_cannot_be_taken_is_said(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(LabError) as error:
        kubeconfig.current({"KUBECONFIG": written(tmp_path, **change)})
    assert said in error.value.what
    assert error.value.hint


def test_no_kubeconfig_is_said(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no current context"):
        kubeconfig.current({"KUBECONFIG": str(tmp_path / "none")})
