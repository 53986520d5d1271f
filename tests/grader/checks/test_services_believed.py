"""What a Service is believed: what the cluster writes, not what a Pod says."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from grader import service

from .test_pods import FROM_ENGINE, Kubectl, failure
from .test_services import pods  # noqa: F401  (a fixture for this module, too)

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]


def test_pod_that_somebody_else_gives_the_labels_is_not_selected(kubectl: Kubectl) -> None:
    kubectl("create", "service", "clusterip", "wrong", "--tcp=80:8080")
    script = "while sleep 0.2; do kubectl label pods -l app=right app=wrong --overwrite; done"
    labelling = subprocess.Popen(["bash", "-c", script], start_new_session=True)
    try:
        failure(service("wrong").must_select, "app=right", within_seconds=6)
    finally:
        os.killpg(labelling.pid, signal.SIGKILL)


def test_address_that_was_kept_without_a_selector_reaches_no_pod(kubectl: Kubectl) -> None:
    """Endpoints stay when the selector is taken away, and follow no Pod any more."""
    kubectl("expose", "pod", "green", "--name=kept", "--port=80", "--target-port=8080")
    service("kept").must_reach("green")
    remove = '[{"op": "remove", "path": "/spec/selector"}]'
    kubectl("patch", "service", "kept", "--type=json", "--patch", remove)
    failure(service("kept").must_reach, "green", within_seconds=0)
    failure(service("kept").must_select, "app=site,version=green", within_seconds=1)


def test_pod_that_the_cluster_brings_nothing_to_is_not_reached(kubectl: Kubectl) -> None:
    outside = {
        "type": "ExternalName",
        "externalName": "site",
        "selector": {"version": "green"},
        "ports": [{"port": 80}],
    }
    kubectl(
        "create",
        "-f",
        "-",
        stdin=json.dumps(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "away"}, "spec": outside}
        ),
    )
    told = failure(service("away").must_reach, "green", within_seconds=1)
    assert told.found == "The cluster sends no requests for the Service `away` to the Pod `green`."
    assert told.hint == "kubectl get endpointslices --selector=kubernetes.io/service-name=away"


def test_headless_service_reaches_and_selects(kubectl: Kubectl) -> None:
    kubectl(
        "expose",
        "pod",
        "green",
        "--name=headless",
        "--cluster-ip=None",
        "--port=8080",
        "--selector=app=site",
    )
    service("headless").must_reach("green")
    service("headless").must_select("app=site")


def test_server_that_repeats_what_it_is_asked_for_does_not_stand_for_every_pod(
    kubectl: Kubectl,
) -> None:
    config = "server { listen 8080; location / { return 200 $uri; } }"
    serve = f"echo '{config}' > /etc/nginx/conf.d/default.conf; exec nginx -g 'daemon off;'"
    kubectl(
        "run",
        "echo",
        "--image=nginx:alpine",
        FROM_ENGINE,
        "--labels=app=echo,only=this",
        "--command",
        "--",
        "sh",
        "-c",
        serve,
    )
    kubectl("wait", "--for=condition=Ready", "pod/echo", "--timeout=60s")
    kubectl("expose", "pod", "echo", "--port=80", "--target-port=8080")
    service("echo").must_answer("/anything", containing="anything")
    failure(service("echo").must_select, "app=echo", within_seconds=1)


def test_quota_that_keeps_a_further_pod_out_is_told(kubectl: Kubectl) -> None:
    kubectl("create", "quota", "full", "--hard=pods=0")
    try:
        told = failure(service("both").must_select, "app=site")
    finally:
        kubectl("delete", "quota", "full")
    assert told.found.startswith("The check could not run a Pod of its own: ")
    assert told.hint == "kubectl get resourcequotas,limitranges"
