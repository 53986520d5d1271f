"""A Pod that a check makes for itself: it serves one page that nobody else has, and is gone when the check is."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from grader.checks import cluster
from grader.checks.cluster import RefusedError
from grader.checks.pods import Pod
from grader.checks.references import genuine_id
from grader.checks.verdict import CheckFailed, EnvironmentProblem

IMAGE = "busybox"
NAMED_PORT = 8080
START_SECONDS = 30.0


@contextmanager
def serving(namespace: str, labels: dict[str, str], port: int | str) -> Iterator[str]:
    """A ready Pod with these labels that listens on a port (a name gets a number). Gives the token that is its page's path and text."""
    token = secrets.token_hex(8)
    name = f"check-{token[:6]}"
    try:
        _start(namespace, name, json.dumps(_manifest(name, labels, port, token)))
        yield token
    finally:
        cluster.kubectl(
            "delete", "pod", name, f"--namespace={namespace}", "--now", "--ignore-not-found", "--wait=false"
        )


def _start(namespace: str, name: str, manifest: str) -> None:
    try:
        cluster.answer("create", f"--namespace={namespace}", "--validate=false", "--filename=-", stdin=manifest)
        Pod(name).must_be_ready(within_seconds=START_SECONDS)
    except RefusedError as said:
        raise EnvironmentProblem(
            f"The cluster takes no Pod of the check's own: {said}.", "kubectl get events"
        ) from None
    except CheckFailed as failure:
        raise EnvironmentProblem(f"A Pod of the check's own does not start: {failure.found}", failure.hint) from None


def _manifest(name: str, labels: dict[str, str], port: int | str, token: str) -> cluster.Json:
    number = port if isinstance(port, int) else NAMED_PORT
    named = {} if isinstance(port, int) else {"name": port}
    serve = f"mkdir -p /tmp/www && echo {token} > /tmp/www/{token} && exec httpd -f -p {number} -h /tmp/www"
    container = {
        "name": "page",
        "image": genuine_id(IMAGE) or IMAGE,  # what a student calls busybox may be anything
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", serve],
        "ports": [{"containerPort": number, **named}],
        "readinessProbe": {"httpGet": {"path": f"/{token}", "port": number}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False, "containers": [container]},
    }
