"""When the cluster is gone, the problem is ours and says so."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader import CheckFailed, EnvironmentProblem, configmap, deployment, pod, service
from grader.checks import api_server, cluster
from grader.checks.deadline import eventually

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]


def problem(check: Callable[[], object]) -> str:
    with pytest.raises(EnvironmentProblem) as raised:
        check()
    assert "costs no points" in str(raised.value)
    return raised.value.what


def lost(path: Path) -> Path:
    path.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: lost\n"
        "clusters: [{name: lost, cluster: {server: 'http://127.0.0.1:9'}}]\n"
        "contexts: [{name: lost, context: {cluster: lost, user: ''}}]\n"
    )
    return path


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A kubeconfig whose cluster nobody serves."""
    monkeypatch.setenv("KUBECONFIG", str(lost(tmp_path / "kubeconfig")))


@pytest.mark.usefixtures("unreachable")
@pytest.mark.parametrize("noun", [pod, deployment, service, configmap])
def test_cluster_out_of_reach_is_an_environment_problem(noun: Callable[[str], pod]) -> None:  # type: ignore[valid-type]
    assert problem(noun("web").must_exist).startswith("The Kubernetes cluster does not answer: ")  # type: ignore[attr-defined]


def test_missing_kubeconfig_is_an_environment_problem(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
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
    with pytest.raises(cluster.ClusterRefusedError, match="NotFound"):
        cluster.get("/api/v1/namespaces/none-such")


@pytest.mark.parametrize(
    "end", ["", "; import os; os.kill(os.getpid(), 9)"], ids=["ended", "killed"]
)
def test_many_questions_start_one_program_and_it_ends_with_who_asked(
    end: str, folder: Path
) -> None:
    ask = "from grader.checks import cluster; [cluster.objects('/api/v1/nodes') for _ in range(20)]"
    command = [sys.executable, "-c", f"{ask}; print(flush=True); input(){end}"]
    asking = subprocess.Popen(
        command, stdin=-1, stdout=-1, env={**os.environ, "TMPDIR": str(folder)}
    )
    assert asking.stdout is not None
    assert asking.stdout.readline() == b"\n"
    assert len(proxies(folder)) == len(list(folder.iterdir())) == 1
    asking.communicate(b"\n")
    eventually(lambda: expect(not proxies(folder)), within_seconds=60)
    eventually(lambda: expect(not list(folder.iterdir())), within_seconds=60)


@pytest.fixture
def folder() -> Iterator[Path]:
    """For the sockets of proxies of this test's own: others start theirs meanwhile. Short, since a
    socket's path is.
    """
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def proxies(folder: Path) -> list[str]:
    """The processes that are a `kubectl proxy` with its socket in the folder."""
    own = f"kubectl proxy --unix-socket={folder}/.*"
    return subprocess.run(["pgrep", "-x", "-f", own], capture_output=True, text=True).stdout.split()


def expect(holds: bool) -> None:
    if not holds:
        raise CheckFailed("It does not hold.", "that it does.", "")


def test_a_proxy_that_was_killed_is_started_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    api_server._latest.clear()
    assert cluster.objects("/api/v1/nodes")
    for process in proxies(folder):
        os.kill(int(process), 9)
    eventually(lambda: expect(not proxies(folder)), within_seconds=60)
    eventually(
        lambda: expect(not api_server._latest[0][1].runs), within_seconds=60
    )  # the shell around it
    assert cluster.objects("/api/v1/nodes")
    assert len(proxies(folder)) == 1
    api_server._latest.pop()[1].stop()


def test_another_cluster_is_asked_when_the_kubeconfig_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cluster.is_there()
    monkeypatch.setenv("KUBECONFIG", str(lost(tmp_path / "kubeconfig")))
    assert not cluster.is_there()


def test_silence_meets_its_deadline() -> None:
    assert (
        cluster.kubectl("get", "--raw", "/api/v1/pods?watch=true", within_seconds=1).exit_code
        is None
    )


def test_more_than_is_read_is_no_environment_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "MAX_OUTPUT_BYTES", 100)
    with pytest.raises(
        CheckFailed, match="What the cluster says about `/api/v1/namespaces` is longer than"
    ):
        cluster.objects("/api/v1/namespaces")
