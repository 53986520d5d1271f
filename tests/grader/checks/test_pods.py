"""Pods of a real cluster: what holds passes in silence, what does not is told in three lines."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest

from grader import CheckFailed, pod

from .clusters import told_at_last

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]

Kubectl = Callable[..., str]
FROM_ENGINE = "--image-pull-policy=IfNotPresent"


def failure(check: Callable[..., object], *args: object, **options: object) -> CheckFailed:
    with pytest.raises(CheckFailed) as raised:
        check(*args, **options)
    assert len(str(raised.value).splitlines()) == 3
    return raised.value


def run(kubectl: Kubectl, name: str, *options: str, image: str = "busybox") -> None:
    kubectl("run", name, f"--image={image}", FROM_ENGINE, *options)


@pytest.fixture(scope="module")
def web(kubectl: Kubectl) -> str:
    """A Pod that is ready."""
    run(kubectl, "web", "--labels=app=web,tier=front", image="nginx:alpine")
    kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
    return "web"


def test_facts_come_from_the_api(web: str) -> None:
    one = pod(web)
    assert (one.exists, one.ready, one.phase, one.restart_count) == (True, True, "Running", 0)
    assert one.images == ["nginx:alpine"]
    assert one.labels == {"app": "web", "tier": "front"}
    assert len(one.uid) == 36
    assert one.ip.count(".") == 3
    assert repr(one) == "pod('web')"


def test_success_prints_nothing(web: str, capfd: pytest.CaptureFixture[str]) -> None:
    one = pod(web)
    one.must_exist()
    one.must_be_ready(for_seconds=1)
    one.must_run_image("nginx:alpine")
    one.must_have_label("app")
    one.must_have_label("app=web")
    one.must_not_have_label("colour")
    one.must_run("sh -c 'echo $((40 + 2))'", printing="42")
    one.must_run("sh -c 'exit 3'", exit_code=3)
    assert capfd.readouterr() == ("", "")


def test_missing_pod_is_named_with_what_exists(web: str) -> None:
    assert not pod("database").exists
    told = failure(pod("database").must_be_ready)
    assert str(told).splitlines() == [
        f"There is no Pod named `database`. The Pods here: {told.found.partition('here: ')[2]}",
        "Expected: a Pod named `database`.",
        "Try: kubectl run database --image=IMAGE",
    ]
    assert f"`{web}`" in told.found


def test_name_with_a_typo_is_guessed(web: str) -> None:
    told = failure(pod("wep").must_exist)
    assert told.found == "There is no Pod named `wep`. Did you mean `web`?"
    assert told.hint == "kubectl get pods"


def test_pod_that_should_be_gone_is_waited_for(kubectl: Kubectl, named: str) -> None:
    run(kubectl, named, "--", "sleep", "3600")
    told = failure(pod(named).must_not_exist, within_seconds=0)
    assert (told.found, told.hint) == (
        f"The Pod `{named}` still exists.",
        f"kubectl delete pod {named}",
    )
    kubectl("delete", "pod", named, "--now", "--wait=false")
    assert (
        failure(pod(named).must_be_ready, within_seconds=0).found
        == f"The Pod `{named}` is being deleted."
    )
    pod(named).must_not_exist(within_seconds=90)


def test_labels_are_told(web: str) -> None:
    told = failure(pod(web).must_have_label, "colour=blue")
    assert told.found == "`web` has no label `colour`. Its labels: `app=web`, `tier=front`."
    assert told.hint == "kubectl label pod web colour=blue"
    told = failure(pod(web).must_have_label, "tier=back")
    assert told.found == "The label `tier` of `web` is `front`."
    assert told.hint == "kubectl label --overwrite pod web tier=back"
    assert failure(pod(web).must_have_label, "colour").hint == "kubectl label pod web colour=VALUE"
    told = failure(pod(web).must_not_have_label, "tier")
    assert (told.found, told.hint) == (
        "`web` has the label `tier=front`.",
        "kubectl label pod web tier-",
    )


def test_pod_without_labels_says_so(kubectl: Kubectl, named: str) -> None:
    run(kubectl, named, "--", "sleep", "3600")
    kubectl("label", "pod", named, "run-")
    assert failure(pod(named).must_have_label, "app").found.endswith("It has no labels.")


def test_pod_whose_program_ended_tells_its_exit_code(kubectl: Kubectl, named: str) -> None:
    run(kubectl, named, "--", "sh", "-c", "exit 3")
    told = told_at_last(pod(named).must_be_ready, "ended with")
    assert told.found == f"The container `{named}` of the Pod `{named}` ended with exit code 3."
    assert told.hint == f"kubectl logs {named}"


def test_pod_that_has_done_its_work_is_not_ready(kubectl: Kubectl, named: str) -> None:
    run(kubectl, named, "--restart=Never", "--", "true")
    told = told_at_last(pod(named).must_be_ready, "ended with")
    assert told.found == f"The container `{named}` of the Pod `{named}` ended with exit code 0."


def test_image_that_cannot_be_had_is_named(kubectl: Kubectl, named: str) -> None:
    run(kubectl, named, image="busybox:no-such-tag")
    told = told_at_last(pod(named).must_be_ready, "The image")
    assert (
        told.found
        == f"The image `busybox:no-such-tag` of the container `{named}` of the Pod `{named}` cannot"
        " be pulled."
    )
    assert told.hint == f"kubectl describe pod {named}"


def test_configuration_that_is_missing_is_told_in_the_clusters_words(
    kubectl: Kubectl, named: str
) -> None:
    environment = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "nothing", "key": "a"}}}]
    patch = {
        "apiVersion": "v1",
        "spec": {"containers": [{"name": named, "image": "busybox", "env": environment}]},
    }
    run(kubectl, named, f"--overrides={json.dumps(patch)}")
    told = told_at_last(pod(named).must_be_ready, "waits: Create")
    assert 'waits: CreateContainerConfigError, `configmap "nothing" not found`.' in told.found


def test_readiness_probe_that_fails_is_told(kubectl: Kubectl, named: str) -> None:
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    container = {
        "name": named,
        "image": "busybox",
        "command": ["sleep", "3600"],
        "imagePullPolicy": "IfNotPresent",
        "readinessProbe": probe,
    }
    run(
        kubectl,
        named,
        f"--overrides={json.dumps({'apiVersion': 'v1', 'spec': {'containers': [container]}})}",
    )
    told = told_at_last(pod(named).must_be_ready, "runs, and")
    assert told.found.endswith("runs, and is not ready: its readiness probe has not succeeded.")


def test_pod_that_no_node_takes_waits_for_one(kubectl: Kubectl, named: str) -> None:
    run(
        kubectl,
        named,
        '--overrides={"apiVersion": "v1", "spec": {"nodeSelector": {"no-such": "label"}}}',
    )
    told = told_at_last(pod(named).must_be_ready, "waits for a node: `")
    assert told.found.startswith(f"The Pod `{named}` waits for a node: `0/1 nodes")


def test_restart_during_the_watch_is_noticed(kubectl: Kubectl, named: str) -> None:
    run(kubectl, named, "--", "sleep", "3")
    with pytest.raises(CheckFailed):
        pod(named).must_be_ready(for_seconds=8)


def test_status_that_somebody_wrote_is_not_believed(kubectl: Kubectl, named: str) -> None:
    run(
        kubectl,
        named,
        '--overrides={"apiVersion": "v1", "spec": {"nodeSelector": {"no-such": "label"}}}',
    )
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    kubectl(
        "patch",
        "pod",
        named,
        "--subresource=status",
        "--type=merge",
        "--patch",
        json.dumps({"status": status}),
    )
    assert pod(named).ready
    told = failure(pod(named).must_be_ready, within_seconds=0)
    assert told.found.startswith(f"No command can be run in `{named}`: ")


def test_command_that_fails_in_silence_has_its_exit_code_told(kubectl: Kubectl, named: str) -> None:
    run(
        kubectl,
        named,
        "--",
        "sh",
        "-c",
        "rm /bin/true; printf '#!/bin/sh\nexit 3' > /bin/true; chmod +x /bin/true; sleep infinity",
    )
    told = told_at_last(pod(named).must_be_ready, "ended with exit code 3")
    assert (
        told.found
        == f"The command `true` in `{named}` ended with exit code 3, as one does whose container"
        " ends."
    )


def test_image_is_known_by_its_id(kubectl: Kubectl, named: str) -> None:
    for command in (
        ["docker", "tag", "redis:alpine", "checks/nginx:alpine"],
        ["docker", "tag", "nginx:alpine", "checks/other:1"],
    ):
        subprocess.run(command, check=True)
    try:
        run(kubectl, named, image="checks/nginx:alpine")
        kubectl("wait", "--for=condition=Ready", f"pod/{named}", "--timeout=60s")
        told = failure(pod(named).must_run_image, "nginx:alpine")
        assert (
            told.found
            == f"`{named}` runs `checks/nginx:alpine`, which is not the image `nginx:alpine`."
        )
        assert told.hint == f"kubectl set image pod/{named} {named}=nginx:alpine"
        pod(named).must_run_image("redis:alpine")
        subprocess.run(["docker", "tag", "nginx:alpine", "checks/nginx:alpine"], check=True)
        told = failure(pod(named).must_run_image, "checks/nginx:alpine")
        assert (
            told.found
            == f"`{named}` runs another image that was given the name `checks/nginx:alpine`."
        )
        assert (
            told.hint
            == f"docker pull checks/nginx:alpine, then delete `{named}` and make it again."
        )
    finally:
        subprocess.run(
            ["docker", "rmi", "checks/nginx:alpine", "checks/other:1"], capture_output=True
        )


def test_image_of_a_pod_without_containers_is_known_by_name(kubectl: Kubectl, named: str) -> None:
    run(
        kubectl,
        named,
        '--overrides={"apiVersion": "v1", "spec": {"nodeSelector": {"no-such": "label"}}}',
    )
    pod(named).must_run_image("docker.io/library/busybox:latest")
    failure(pod(named).must_run_image, "nginx")


def test_command_tells_code_and_output(web: str) -> None:
    told = failure(pod(web).must_run, "sh -c 'echo no such table; exit 4'", within_seconds=0)
    assert (
        told.found
        == "In `web`, `sh -c 'echo no such table; exit 4'` ended with exit code 4, and said `no"
        " such table`."
    )
    assert told.hint == "kubectl exec web -- sh -c 'echo no such table; exit 4'"
    assert failure(
        pod(web).must_run, "echo hello", printing="bye", within_seconds=0
    ).found.endswith("printed `hello`.")
    assert failure(pod(web).must_run, "true", printing="bye", within_seconds=0).found.endswith(
        "printed nothing."
    )


def test_command_that_does_not_end_meets_its_deadline(web: str) -> None:
    told = failure(pod(web).exec, "sleep", "600", within_seconds=2)
    assert told.found == "`sleep 600` in `web` was still running after 2 s."


def test_image_without_programs_takes_commands(kubectl: Kubectl, named: str) -> None:
    """What fails there is not found, by a container that runs."""
    run(kubectl, named, "--env=PATH=/nowhere", "--command", "--", "/bin/sleep", "3600")
    pod(named).must_be_ready()


def test_endless_output_is_cut(web: str) -> None:
    result = pod(web).exec("sh", "-c", "yes | head -c 20000000", within_seconds=30)
    assert len(result.output) <= 8 * 1024 * 1024


def test_liveness_probe_starts_a_stuck_container_again(kubectl: Kubectl, named: str) -> None:
    probe = {
        "exec": {"command": ["test", "-e", "/tmp/alive"]},
        "periodSeconds": 1,
        "failureThreshold": 2,
        "timeoutSeconds": 30,  # the second that is usual is too little for a busy machine
    }
    container = {
        "name": named,
        "image": "busybox",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", "touch /tmp/alive; sleep 3600"],
        "livenessProbe": {**probe, "initialDelaySeconds": 1},
    }
    spec = {"terminationGracePeriodSeconds": 1, "containers": [container]}
    run(kubectl, named, f"--overrides={json.dumps({'apiVersion': 'v1', 'spec': spec})}")
    pod(named).must_be_restarted_after("rm /tmp/alive", within_seconds=90)
    assert pod(named).restart_count == 1
    told = failure(pod(named).must_be_restarted_after, "true", within_seconds=2)
    assert told.found == f"`{named}` kept running unchanged for 2 s after `true`."


def test_container_that_somebody_stops_is_started_by_no_probe(kubectl: Kubectl, named: str) -> None:
    command = "touch /tmp/alive; while test -e /tmp/alive; do sleep 0.2; done"
    run(kubectl, named, "--", "sh", "-c", command)
    told = failure(pod(named).must_be_restarted_after, "rm /tmp/alive", within_seconds=60)
    assert (
        told.found == f"The container of `{named}` was started again, but no liveness probe had"
        " failed."
    )


def test_time_of_creation_is_the_clusters(kubectl: Kubectl, web: str) -> None:
    made = {"name": "old", "creationTimestamp": "2001-01-01T00:00:00Z"}
    spec = {"containers": [{"name": "c", "image": "busybox"}]}
    kubectl(
        "create",
        "-f",
        "-",
        stdin=json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": spec}),
    )
    patch = json.dumps({"metadata": {"creationTimestamp": made["creationTimestamp"]}})
    subprocess.run(["kubectl", "patch", "pod", "old", "--patch", patch], capture_output=True)
    assert "2001" < pod(web).created <= pod("old").created


def test_container_that_is_started_again_whatever_happens_is_noticed(
    kubectl: Kubectl, named: str
) -> None:
    container = {
        "name": named,
        "image": "busybox",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "3600"],
        "livenessProbe": {
            "exec": {"command": ["false"]},
            "initialDelaySeconds": 6,
            "failureThreshold": 1,
        },
    }
    spec = {"terminationGracePeriodSeconds": 1, "containers": [container]}
    run(kubectl, named, f"--overrides={json.dumps({'apiVersion': 'v1', 'spec': spec})}")
    told = failure(pod(named).must_be_restarted_after, "true", within_seconds=20)
    # it may be found not ready, or end while a command is being run in it: the moment decides
    assert told.expected.startswith((f"the Pod `{named}` ready", f"the Pod `{named}` running"))
