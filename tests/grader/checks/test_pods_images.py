"""Which image the containers of a Pod run."""

from __future__ import annotations

import json

import pytest

from grader import pod

from .test_pods import Kubectl, failure, run

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]


def test_image_that_was_replaced_does_not_count(kubectl: Kubectl, named: str) -> None:
    run(kubectl, named, image="nginx:alpine")
    kubectl("wait", "--for=condition=Ready", f"pod/{named}", "--timeout=60s")
    pod(named).must_run_image("nginx:alpine")
    kubectl("set", "image", f"pod/{named}", f"{named}=redis:alpine")
    kubectl(
        "wait",
        "--for=jsonpath={.status.containerStatuses[0].restartCount}=1",
        f"pod/{named}",
        "--timeout=60s",
    )
    failure(pod(named).must_run_image, "nginx:alpine")
    pod(named).must_run_image("redis:alpine")


def test_image_of_an_init_container_does_not_count(kubectl: Kubectl, named: str) -> None:
    first = {
        "name": "first",
        "image": "redis:alpine",
        "imagePullPolicy": "IfNotPresent",
        "command": ["true"],
    }
    then = {"name": named, "image": "nginx:alpine", "imagePullPolicy": "IfNotPresent"}
    spec = {"initContainers": [first], "containers": [then]}
    run(
        kubectl,
        named,
        f"--overrides={json.dumps({'apiVersion': 'v1', 'spec': spec})}",
        image="nginx:alpine",
    )
    kubectl("wait", "--for=condition=Ready", f"pod/{named}", "--timeout=60s")
    failure(pod(named).must_run_image, "redis:alpine")
    pod(named).must_run_image("nginx:alpine")
