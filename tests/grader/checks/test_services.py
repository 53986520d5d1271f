"""Services of a real cluster, asked through the API and through the node's port."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from grader import pod, service

from .clusters import told_at_last
from .test_pods import FROM_ENGINE, Kubectl, failure

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]


def serve(kubectl: Kubectl, name: str, labels: str) -> None:
    """A Pod that answers with its name on port 8080."""
    command = f"echo {name} > /tmp/index.html; exec httpd -f -p 8080 -h /tmp"
    kubectl(
        "run",
        name,
        "--image=busybox",
        FROM_ENGINE,
        f"--labels={labels}",
        "--port=8080",
        "--",
        "sh",
        "-c",
        command,
    )


@pytest.fixture(scope="module", autouse=True)
def pods(kubectl: Kubectl) -> None:
    """Two Pods, and Services of every kind of mistake."""
    serve(kubectl, "blue", "app=site,version=blue")
    serve(kubectl, "green", "app=site,version=green")
    kubectl("wait", "--for=condition=Ready", "pod/blue", "pod/green", "--timeout=60s")
    expose = ("expose", "pod", "blue", "--port=80")
    kubectl(*expose, "--name=site", "--target-port=8080", "--type=NodePort")
    kubectl(*expose, "--name=both", "--target-port=8080", "--selector=app=site")
    kubectl(*expose, "--name=deaf", "--target-port=81", "--type=NodePort")
    kubectl("create", "service", "clusterip", "lost", "--tcp=80:8080")
    bare = {"metadata": {"name": "bare"}, "spec": {"ports": [{"port": 80}]}}
    kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Service", **bare}))


def test_facts_come_from_the_api() -> None:
    site = service("site")
    assert (site.type, site.ports, site.pods) == ("NodePort", [80], ["blue"])
    assert site.selector == {"app": "site", "version": "blue"}
    assert 30000 <= site.node_ports[0] < 32768
    assert (service("lost").node_ports, service("lost").pods, service("bare").pods) == ([], [], [])


def test_success_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    site = service("site")
    site.must_exist()
    site.must_be_of_type("NodePort")
    site.must_listen_on(80)
    site.must_reach("blue")
    site.must_answer()
    site.must_answer("/index.html", port=80, containing="blue", every_pod=True)
    site.must_answer_on_node_port(containing="blue")
    assert site.ask("/").answered
    assert capfd.readouterr() == ("", "")


def test_missing_service_says_how_to_make_one() -> None:
    assert (
        failure(service("database").must_answer).hint
        == "kubectl expose TYPE/NAME --name=database --port=PORT"
    )


def test_type_and_port_are_told() -> None:
    told = failure(service("lost").must_be_of_type, "NodePort")
    assert told.found == "The Service `lost` is of type `ClusterIP`."
    assert told.hint == """kubectl patch service lost --patch '{"spec": {"type": "NodePort"}}'"""
    assert failure(service("lost").must_answer_on_node_port).found == told.found
    told = failure(service("lost").must_listen_on, 8080)
    assert (told.found, told.expected) == ("The Service `lost` listens on port 80.", "port 8080.")
    assert failure(service("lost").must_answer, port=8080).found == told.found


def test_pod_that_is_not_behind_is_told_with_the_selector() -> None:
    told = failure(service("site").must_reach, "green", within_seconds=0)
    assert (
        told.found == "The Pod `green` is not behind the Service `site`, which selects"
        " `app=site,version=blue`."
    )
    assert (
        told.hint
        == "kubectl get pods --show-labels, and compare with kubectl describe service site"
    )
    assert failure(service("bare").must_reach, "green", within_seconds=0).found.endswith(
        "which has no selector."
    )


def test_pod_that_is_not_ready_is_not_behind(kubectl: Kubectl) -> None:
    kubectl("run", "absent", "--image=busybox:no-such-tag", "--labels=app=absent")
    kubectl("create", "service", "clusterip", "absent", "--tcp=80:8080")
    told = told_at_last(service("absent").must_reach, "The image", "absent")
    assert told.found.startswith("The image `busybox:no-such-tag` of the container")
    assert failure(service("absent").must_answer, within_seconds=0).found == told.found


def test_selector_that_fits_nothing_is_told() -> None:
    told = failure(service("lost").must_answer, within_seconds=0)
    assert told.found == "No Pod is behind the Service `lost`, which selects `app=lost`."
    assert told.expected == "an answer from the Service `lost`."


def test_target_port_where_nobody_listens_is_told_in_the_clusters_words() -> None:
    told = failure(service("deaf").must_answer, within_seconds=0)
    assert told.found.startswith(
        "The Service `deaf` gave no answer to `/`: `Error from server (ServiceUnavailable): "
    )
    assert "compare its TargetPort" in told.hint
    told = failure(service("deaf").must_answer_on_node_port, within_seconds=2)
    assert told.found.startswith(
        "The Service `deaf` gave no answer to `/`:"
        f" http://localhost:{service('deaf').node_ports[0]}/ "
    )
    assert not service("deaf").ask("/").answered


def test_page_without_the_text_is_quoted() -> None:
    told = failure(service("site").must_answer, containing="green", within_seconds=0)
    assert told.found == "The Service `site` answered `/` without `green`, it says `blue`."
    assert told.expected == "`green` in the answer."


def test_page_that_is_not_there_is_no_answer() -> None:
    assert (
        "gave no answer to `/nothing`"
        in failure(service("site").must_answer, "/nothing", within_seconds=0).found
    )
    told = failure(service("site").must_answer_on_node_port, "/nothing", within_seconds=0)
    assert told.found.startswith("The Service `site` gave no answer to `/nothing`: status 404")


def test_every_pod_is_asked_and_not_the_one_that_chance_picks() -> None:
    service("both").must_answer(containing="blue")
    for _ in range(20):
        told = failure(
            service("both").must_answer, containing="blue", every_pod=True, within_seconds=0
        )
        assert (
            told.found
            == "The Pod `green`, behind the Service `both`, answered `/` without `blue`, it says"
            " `green`."
        )
    failure(service("both").must_answer, containing="blue", every_pod=True, within_seconds=3)


def test_pod_that_does_not_answer_is_named(kubectl: Kubectl) -> None:
    kubectl(
        "run",
        "mute",
        "--image=busybox",
        FROM_ENGINE,
        "--labels=app=choir",
        "--",
        "sleep",
        "infinity",
    )
    serve(kubectl, "loud", "app=choir")
    kubectl("wait", "--for=condition=Ready", "pod/mute", "pod/loud", "--timeout=60s")
    kubectl("expose", "pod", "loud", "--name=choir", "--port=80", "--target-port=8080")
    service("choir").must_answer(containing="loud")
    told = failure(service("choir").must_answer, every_pod=True, within_seconds=5)
    assert told.found.startswith(
        "The Pod `mute`, behind the Service `choir`, gave no answer to `/`: "
    )


def test_pod_that_is_not_ready_is_not_asked(kubectl: Kubectl) -> None:
    serve(kubectl, "steady", "app=shift")
    never = {"exec": {"command": ["false"]}}
    container = {
        "name": "idle",
        "image": "busybox",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "infinity"],
        "readinessProbe": never,
    }
    kubectl(
        "create",
        "-f",
        "-",
        stdin=json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "idle", "labels": {"app": "shift"}},
                "spec": {"containers": [container]},
            }
        ),
    )
    kubectl("wait", "--for=condition=Ready", "pod/steady", "--timeout=60s")
    kubectl("wait", "--for=jsonpath={.status.phase}=Running", "pod/idle", "--timeout=60s")
    kubectl(
        "expose",
        "pod",
        "steady",
        "--name=shift",
        "--port=80",
        "--target-port=8080",
        "--selector=app=shift",
    )
    service("shift").must_answer(containing="steady", every_pod=True)


def test_port_that_is_asked_for_leads_to_its_own_target(kubectl: Kubectl) -> None:
    spec = {
        "selector": {"version": "blue"},
        "ports": [
            {"name": "deaf", "port": 79, "targetPort": 9},
            {"name": "web", "port": 80, "targetPort": 8080},
        ],
    }
    kubectl(
        "create",
        "-f",
        "-",
        stdin=json.dumps(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "twofold"}, "spec": spec}
        ),
    )
    service("twofold").must_answer(port=80, containing="blue", every_pod=True)
    failure(service("twofold").must_answer, port=79, every_pod=True, within_seconds=0)


def test_address_of_nobody_is_no_pod(kubectl: Kubectl) -> None:
    spec = {"ports": [{"port": 80, "targetPort": 8080}]}
    kubectl(
        "create",
        "-f",
        "-",
        stdin=json.dumps(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "stray"}, "spec": spec}
        ),
    )
    made = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "stray-1", "labels": {"kubernetes.io/service-name": "stray"}},
        "addressType": "IPv4",
        "ports": [{"port": 8080}],
        "endpoints": [{"addresses": [pod("blue").ip]}],
    }
    kubectl("create", "-f", "-", stdin=json.dumps(made))
    service("stray").must_answer(containing="blue")
    told = failure(
        service("stray").must_answer, containing="blue", every_pod=True, within_seconds=0
    )
    assert (
        told.found
        == "The Service `stray` sends requests to an address that does not belong to a Pod."
    )


def test_every_pod_with_the_labels_is_selected() -> None:
    before = pod("anything").exists
    service("both").must_select("app=site")
    service("site").must_select("app=site,version=blue")
    told = failure(service("site").must_select, "app=site,version=green", within_seconds=1)
    assert (
        told.found
        == "A new Pod with the labels `app=site,version=green` gets no requests from the Service"
        " `site`, which selects `app=site,version=blue`."
    )
    assert not before


def test_check_leaves_no_pod(kubectl: Kubectl) -> None:
    pods = json.loads(kubectl("get", "pods", "-o", "json"))["items"]
    left = [one["metadata"]["name"] for one in pods if not one["metadata"].get("deletionTimestamp")]
    assert [name for name in left if name.startswith("check-")] == []


def test_endpoints_by_hand_select_nothing(kubectl: Kubectl) -> None:
    """A Service without a selector that somebody points at another Pod answers, and yet has no Pod
    behind it.
    """
    endpoints = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "bare"},
        "subsets": [{"addresses": [{"ip": pod("blue").ip}], "ports": [{"port": 8080}]}],
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(endpoints))
    service("bare").must_answer(containing="blue")
    failure(service("bare").must_answer, containing="blue", every_pod=True, within_seconds=0)
    failure(service("bare").must_reach, "blue", within_seconds=0)
    failure(service("bare").must_select, "app=site", within_seconds=1)


def test_named_target_port_is_followed(kubectl: Kubectl) -> None:
    spec = {"selector": {"app": "named"}, "ports": [{"port": 80, "targetPort": "http"}]}
    kubectl(
        "create",
        "-f",
        "-",
        stdin=json.dumps(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "named"}, "spec": spec}
        ),
    )
    service("named").must_select("app=named")


def test_named_port_may_be_another_number_in_each_pod(kubectl: Kubectl) -> None:
    for name, port in (("left", 8081), ("right", 8082)):
        server = f"echo {name} > /tmp/index.html; exec httpd -f -p {port} -h /tmp"
        container = {
            "name": "web",
            "image": "busybox",
            "imagePullPolicy": "IfNotPresent",
            "command": ["sh", "-c", server],
            "ports": [{"name": "http", "containerPort": port}],
        }
        kubectl(
            "create",
            "-f",
            "-",
            stdin=json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {"name": name, "labels": {"app": "hands"}},
                    "spec": {"containers": [container]},
                }
            ),
        )
    spec = {"selector": {"app": "hands"}, "ports": [{"port": 80, "targetPort": "http"}]}
    kubectl(
        "create",
        "-f",
        "-",
        stdin=json.dumps(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hands"}, "spec": spec}
        ),
    )
    kubectl("wait", "--for=condition=Ready", "pod/left", "pod/right", "--timeout=60s")
    service("hands").must_answer(every_pod=True)
    told = failure(
        service("hands").must_answer, containing="left", every_pod=True, within_seconds=0
    )
    assert told.found.startswith(
        "The Pod `right`, behind the Service `hands`, answered `/` without `left`"
    )


def test_pod_behind_a_server_that_hands_its_page_on_is_not_selected(kubectl: Kubectl) -> None:
    """Anybody in its network can get the page of the check's Pod, and serve it."""
    script = r"""
while sleep 0.2; do
  kubectl get pods -l app=copied,version!=mine -o name |
    while read -r one; do
      kubectl exec $one -- sh -c 'cd /tmp/www && tar c .' | kubectl exec -i copier -- tar x -C /tmp
    done
done
"""
    serve(kubectl, "copier", "app=copied,version=mine")
    kubectl("wait", "--for=condition=Ready", "pod/copier", "--timeout=60s")
    kubectl("expose", "pod", "copier", "--port=80", "--target-port=8080")
    copying = subprocess.Popen(["bash", "-c", script], start_new_session=True)
    try:
        failure(service("copier").must_select, "app=copied", within_seconds=6)
        listed = kubectl("exec", "copier", "--", "ls", "/tmp")
    finally:
        os.killpg(copying.pid, signal.SIGKILL)
    assert len(listed.split()) > 1, "the page was not copied"
    service("copier").must_select("app=copied,version=mine")
