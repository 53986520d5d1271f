"""A Pod that a check makes for itself: it serves one page that nobody else has, and is gone when
the check is.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from grader.checks import cluster
from grader.checks.cluster import ClusterRefusedError
from grader.checks.pod_state import waits_for_node
from grader.checks.pods import Pod
from grader.checks.references import genuine_id
from grader.checks.verdict import CheckFailed, EnvironmentProblem

IMAGE = "busybox"
NAMED_PORT = 8080
START_SECONDS = 30.0


@dataclass(frozen=True)
class Page:
    """Both are drawn, each by itself: a server that repeats what it is asked for knows the name
    alone.
    """

    name: str
    text: str


@contextmanager
def serving(namespace: str, labels: dict[str, str], port: int | str) -> Iterator[Page]:
    """A ready Pod with these labels that listens on a port (a name gets a number), and its page."""
    page = Page(secrets.token_hex(8), secrets.token_hex(8))
    name = f"check-{secrets.token_hex(3)}"
    try:
        _start(namespace, name, json.dumps(_manifest(name, labels, port, page)))
        yield page
    finally:
        cluster.kubectl(
            "delete",
            "pod",
            name,
            f"--namespace={namespace}",
            "--now",
            "--ignore-not-found",
            "--wait=false",
        )


def _start(namespace: str, name: str, manifest: str) -> None:
    try:
        cluster.answer(
            "create", f"--namespace={namespace}", "--validate=false", "--filename=-", stdin=manifest
        )
        Pod(name).must_be_ready(within_seconds=START_SECONDS)
    except ClusterRefusedError as said:
        if "forbidden" in str(
            said
        ):  # by a quota, for example, which somebody has made: nothing is broken
            raise _kept_out(str(said), "kubectl get resourcequotas,limitranges") from None
        raise EnvironmentProblem(
            f"The cluster takes no Pod of the check's own: {said}.", "kubectl get events"
        ) from None
    except CheckFailed as failure:
        made = [
            one
            for one in cluster.objects(f"/api/v1/namespaces/{namespace}/pods")
            if one["metadata"]["name"] == name
        ]
        if not made or waits_for_node(made[0]):
            raise _kept_out(failure.found, "kubectl describe nodes") from None
        raise EnvironmentProblem(
            f"A Pod of the check's own does not start: {failure.found}", failure.hint
        ) from None


def _kept_out(why: str, hint: str) -> CheckFailed:
    return CheckFailed(
        f"A further Pod cannot be made: {why}",
        "a cluster in which a further Pod can be made.",
        hint,
    )


def _manifest(name: str, labels: dict[str, str], port: int | str, page: Page) -> cluster.Json:
    number = port if isinstance(port, int) else NAMED_PORT
    named = {} if isinstance(port, int) else {"name": port}
    serve = (
        f"mkdir -p /tmp/www && echo {page.text} > /tmp/www/{page.name} && exec httpd -f -p {number}"
        " -h /tmp/www"
    )
    container = {
        "name": "page",
        "image": genuine_id(IMAGE) or IMAGE,  # what a student calls busybox may be anything
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", serve],
        "ports": [{"containerPort": number, **named}],
        "readinessProbe": {
            "httpGet": {"path": f"/{page.name}", "port": number},
            "periodSeconds": 1,
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "containers": [container],
        },
    }
