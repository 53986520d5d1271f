"""Deployments of a real cluster: their Pods, their versions, and what happens when a Pod goes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from grader import deployment, service

from .clusters import told_at_last
from .test_pods import Kubectl, failure

pytestmark = [pytest.mark.engine, pytest.mark.timeout(240)]


def manifest(
    name: str, command: str, *, replicas: int = 1, env: str = "", **container: object
) -> str:
    """A Deployment of busybox."""
    labels = {"app": name}
    made = {
        "name": "page",
        "image": "busybox",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", command],
        "env": [{"name": "VERSION", "value": env}],
        **container,
    }
    template = {
        "metadata": {"labels": labels},
        "spec": {"terminationGracePeriodSeconds": 3, "containers": [made]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return json.dumps(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
    )


PAGE = (
    "mkdir -p /tmp/www; echo version $VERSION > /tmp/www/index.html; {} exec httpd -f -p 8080 -h"
    " /tmp/www"
)


def make(kubectl: Kubectl, name: str, command: str = PAGE.format(""), **options: object) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(name, command, **options))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def web(kubectl: Kubectl) -> str:
    """Two Pods, of which nothing is asked that changes them."""
    make(kubectl, "web", replicas=2)
    deployment("web").must_be_rolled_out()
    return "web"


def test_facts_come_from_the_api(web: str) -> None:
    found = deployment(web)
    assert (found.replicas, found.images, found.versions) == (2, ["busybox"], 1)
    assert len(found.pods) == 2
    assert all(one.ready for one in found.pods)


def test_success_prints_nothing(web: str, capfd: pytest.CaptureFixture[str]) -> None:
    deployment(web).must_have_replicas(2)
    deployment(web).must_run_image("busybox")
    deployment(web).must_be_rolled_out()
    assert capfd.readouterr() == ("", "")


def test_number_of_pods_is_told(web: str) -> None:
    told = failure(deployment(web).must_have_replicas, 3)
    assert (told.found, told.expected) == ("`web` wants 2 Pods.", "3 Pods.")
    assert told.hint == "kubectl scale deployment/web --replicas=3"


def test_pods_that_only_have_the_labels_do_not_count(kubectl: Kubectl, web: str) -> None:
    kubectl("run", "stranger", "--image=busybox", "--labels=app=web", "--", "sleep", "3600")
    assert "stranger" not in [one.name for one in deployment(web).pods]
    deployment(web).must_have_replicas(2)


def test_other_image_is_told(web: str) -> None:
    told = failure(deployment(web).must_run_image, "nginx:alpine")
    assert told.found == "The Pods of `web` run `busybox`, which is not the image `nginx:alpine`."
    assert told.hint == "kubectl set image deployment/web page=nginx:alpine"


def test_deployment_without_pods_has_no_image(kubectl: Kubectl) -> None:
    make(kubectl, "none", replicas=0)
    assert failure(deployment("none").must_run_image, "busybox").found == "`none` has no Pods."
    assert failure(deployment("none").must_replace_deleted_pod).found == "`none` wants no Pods."


def test_rollout_that_hangs_tells_why(kubectl: Kubectl) -> None:
    make(kubectl, "stuck")
    deployment("stuck").must_be_rolled_out()
    kubectl("set", "image", "deployment/stuck", "page=busybox:no-such-tag")
    told = told_at_last(deployment("stuck").must_be_rolled_out, "The image")
    assert told.found.startswith(
        "`stuck` wants 1 Pod, and has 0 that are up to date and ready, and 1 of an older version is"
        " left. The image `busybox:no-such-tag` of the container `page` of the Pod `stuck-"
    )
    assert told.hint.startswith("kubectl describe pod stuck-")
    deployment("stuck").must_undo()


def test_program_that_ends_at_once_is_never_rolled_out(kubectl: Kubectl) -> None:
    make(kubectl, "brief", "exit 0")
    told = failure(deployment("brief").must_be_rolled_out, within_seconds=15)
    assert told.found.startswith(
        (
            "`brief` wants 1 Pod, and has 0",
            "No command can be run in `brief-",
            "The command `true` in `brief-",
        )
    )


def test_paused_rollout_says_so(kubectl: Kubectl) -> None:
    make(kubectl, "paused")
    deployment("paused").must_be_rolled_out()
    kubectl("rollout", "pause", "deployment/paused")
    kubectl("set", "env", "deployment/paused", "A=1")
    told = failure(deployment("paused").must_be_rolled_out, within_seconds=1)
    assert told.found.endswith("`paused` is paused.")
    assert told.hint == "kubectl rollout resume deployment/paused"
    told = failure(deployment("paused").must_restart)
    assert told.found.startswith("`kubectl rollout restart deployment/paused` was refused: ")
    assert told.expected == "`paused` restarted."


def test_deleted_pod_is_replaced(kubectl: Kubectl) -> None:
    make(kubectl, "heals")
    deployment("heals").must_be_rolled_out()
    (before,) = deployment("heals").pods
    deployment("heals").must_replace_deleted_pod()
    (after,) = deployment("heals").pods
    assert before.name != after.name


def test_pod_that_cannot_be_deleted_is_not_replaced(kubectl: Kubectl) -> None:
    """Its finalizer keeps it, so that another one takes its place beside it; without a replacement
    the check complains.
    """
    make(kubectl, "held")
    deployment("held").must_be_rolled_out()
    kubectl("create", "quota", "full", "--hard=pods=0")
    try:
        told = failure(deployment("held").must_replace_deleted_pod, within_seconds=4)
    finally:
        kubectl("delete", "quota", "full")
    assert told.found.startswith("`held` wants 1 Pod, and has 0 that are up to date and ready")


def test_restart_replaces_the_pods(kubectl: Kubectl) -> None:
    make(kubectl, "again")
    deployment("again").must_be_rolled_out()
    before = {one.name for one in deployment("again").pods}
    deployment("again").must_restart()
    assert before.isdisjoint(one.name for one in deployment("again").pods)


def test_undo_brings_the_version_before(kubectl: Kubectl) -> None:
    make(kubectl, "board", env="1")
    kubectl("expose", "deployment", "board", "--port=80", "--target-port=8080")
    told = failure(deployment("board").must_undo)
    assert told.found.startswith(
        "`kubectl rollout undo deployment/board` was refused: `error: no rollout history found"
    )
    assert told.hint == "kubectl rollout history deployment/board"
    kubectl("set", "env", "deployment/board", "VERSION=2")
    deployment("board").must_be_rolled_out()
    service("board").must_answer(containing="version 2", every_pod=True)
    assert deployment("board").versions == 2
    deployment("board").must_undo()
    service("board").must_answer(containing="version 1", every_pod=True)


@pytest.fixture
def slow(kubectl: Kubectl) -> Callable[[object], None]:
    """A program that listens only after three seconds, with a readiness probe or without."""

    def made(probe: object) -> None:
        make(kubectl, "slow", PAGE.format("sleep 3;"), readinessProbe=probe)
        kubectl("delete", "service", "slow", "--ignore-not-found")
        kubectl("expose", "deployment", "slow", "--port=80", "--target-port=8080")

    return made


def test_restart_without_a_gap_needs_a_readiness_probe(
    kubectl: Kubectl, slow: Callable[[object], None]
) -> None:
    slow({"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1})
    deployment("slow").must_restart_without_a_gap(service("slow"))
    slow(None)
    deployment("slow").must_be_rolled_out()
    told = failure(deployment("slow").must_restart_without_a_gap, service("slow"))
    assert told.found.startswith("While the Pods of `slow` were replaced, ")
    assert " requests to `slow` got no answer; the first one: `" in told.found


def test_rollout_that_does_not_end_is_no_gap(kubectl: Kubectl) -> None:
    make(kubectl, "endless")
    kubectl("expose", "deployment", "endless", "--port=80", "--target-port=8080")
    deployment("endless").must_be_rolled_out()
    kubectl("create", "quota", "full", "--hard=pods=0")
    try:
        told = failure(
            deployment("endless").must_restart_without_a_gap, service("endless"), within_seconds=2
        )
    finally:
        kubectl("delete", "quota", "full")
    assert (
        "wants 1 Pod, and has 0 that are up to date and ready, and 1 of an older version is left."
        in told.found
    )


def test_pods_of_others_do_not_answer_in_their_place(kubectl: Kubectl) -> None:
    for name in ("here", "there"):
        make(kubectl, name)
        deployment(name).must_be_rolled_out()
    kubectl("expose", "deployment", "there", "--port=80", "--target-port=8080")
    kubectl("set", "selector", "service", "there", "app=here")
    told = failure(deployment("there").must_restart_without_a_gap, service("there"))
    assert told.found.startswith("`here-")
    assert told.found.endswith("` is behind the Service `there`, and no Pod of `there`.")
    kubectl(
        "patch",
        "service",
        "there",
        "--type=json",
        "-p",
        '[{"op": "remove", "path": "/spec/selector"}]',
    )
    told = failure(deployment("there").must_restart_without_a_gap, service("there"))
    assert told.found.endswith(", a Pod of `there`, is not behind the Service `there`.")


def probed(kubectl: Kubectl, name: str, **probe: object) -> None:
    """A Deployment with this readiness probe, which asks each second."""
    page = PAGE.format("echo ok > /tmp/www/healthz;")
    make(kubectl, name, page, readinessProbe={"periodSeconds": 1, **probe})
    deployment(name).must_be_rolled_out()


DUMB = "mkdir -p /tmp/www; exec httpd -f -p 8080 -h /tmp/www"
ASKING = {
    "asks-http": {"httpGet": {"path": "/healthz", "port": 8080}},
    "asks-itself": {"exec": {"command": ["wget", "-qO-", "http://localhost:8080/healthz"]}},
}
LYING = {
    "listens": {"tcpSocket": {"port": 8080}},
    "waits": {"exec": {"command": ["true"]}, "initialDelaySeconds": 4},
    "other-page": {"httpGet": {"path": "/", "port": 8080}},
}


@pytest.mark.parametrize("name", ASKING)
def test_readiness_probe_that_asks_for_the_page_is_no_lie(kubectl: Kubectl, name: str) -> None:
    probed(kubectl, name, **ASKING[name])
    deployment(name).must_not_be_ready_with(DUMB, for_seconds=6)


@pytest.mark.parametrize("name", LYING)
def test_readiness_probe_that_says_yes_without_the_page_is_told(
    kubectl: Kubectl, name: str
) -> None:
    probed(kubectl, name, **LYING[name])
    command = (
        "mkdir -p /tmp/www; echo hello > /tmp/www/index.html; exec httpd -f -p 8080 -h /tmp/www"
    )
    told = failure(deployment(name).must_not_be_ready_with, command, for_seconds=20)
    assert told.found == f"A Pod like those of `{name}` became ready while `{command}` ran in it."
