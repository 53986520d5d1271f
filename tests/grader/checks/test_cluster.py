"""When the cluster is gone, the problem is ours and says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from grader import CheckFailed, EnvironmentProblem, configmap, deployment, pod, service
from grader.checks import cluster

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]


def problem(check: Callable[[], object]) -> str:
    with pytest.raises(EnvironmentProblem) as raised:
        check()
    assert "costs no points" in str(raised.value)
    return raised.value.what


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A kubeconfig whose cluster nobody serves."""
    path = tmp_path / "kubeconfig"
    path.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: lost\n"
        "clusters: [{name: lost, cluster: {server: 'http://127.0.0.1:9'}}]\n"
        "contexts: [{name: lost, context: {cluster: lost, user: ''}}]\n"
    )
    monkeypatch.setenv("KUBECONFIG", str(path))


@pytest.mark.usefixtures("unreachable")
@pytest.mark.parametrize("noun", [pod, deployment, service, configmap])
def test_cluster_out_of_reach_is_an_environment_problem(noun: Callable[[str], pod]) -> None:  # type: ignore[valid-type]
    assert problem(noun("web").must_exist).startswith("The Kubernetes cluster does not answer: ")  # type: ignore[attr-defined]


def test_missing_kubeconfig_is_an_environment_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert problem(pod("web").must_exist).startswith("No cluster is chosen: ")


def test_missing_kubectl_is_an_environment_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert problem(pod("web").must_exist) == "There is no `kubectl` here."


def test_namespace_is_the_kubeconfigs_own(kubectl: Callable[..., str]) -> None:
    assert cluster.namespace().startswith("checks-")
    kubectl("config", "set-context", "--current", "--namespace=")
    assert cluster.namespace() == "default"


def test_what_may_not_be_listed_is_an_environment_problem() -> None:
    assert "does not list `/apis/nothing`" in problem(lambda: cluster.objects("/apis/nothing"))


def test_refusal_is_not_an_environment_problem() -> None:
    with pytest.raises(cluster.RefusedError, match="NotFound"):
        cluster.answer("get", "--raw", "/api/v1/namespaces/none-such")


def test_silence_meets_its_deadline() -> None:
    assert cluster.kubectl("get", "--raw", "/api/v1/pods?watch=true", within_seconds=1).exit_code is None


def test_more_than_is_read_is_no_environment_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "MAX_OUTPUT_BYTES", 100)
    with pytest.raises(CheckFailed, match="What the cluster says of `/api/v1/namespaces` is longer than"):
        cluster.objects("/api/v1/namespaces")
