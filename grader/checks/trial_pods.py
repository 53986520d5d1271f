"""A Pod that a check makes for itself: it serves one page, and is gone when the check is."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from grader.checks import cluster
from grader.checks.cluster import ClusterRefusedError, Json
from grader.checks.deadline import eventually
from grader.checks.pod_state import has_begun, trouble, waits_for_node
from grader.checks.pods import Pod
from grader.checks.references import genuine_id
from grader.checks.verdict import CheckFailed, EnvironmentProblem

IMAGE = "busybox"
NAMED_PORT = 8080
START_SECONDS = 30.0


class _NotBegunError(CheckFailed):
    """Nothing of the Pod has run yet."""


@dataclass(frozen=True)
class Trial:
    """What the cluster calls the Pod, and the name and the text of its page. Both are drawn, each
    by itself: a server that repeats what it is asked for knows the name alone.
    """

    uid: str
    page: str
    text: str


@contextmanager
def serving(namespace: str, labels: dict[str, str], port: int | str) -> Iterator[Trial]:
    """A ready Pod with these labels that listens on a port (a name gets a number)."""
    page, text = secrets.token_hex(8), secrets.token_hex(8)
    with running(namespace, labels, _server(port, page, text)) as (name, uid):
        _must_start(namespace, name)
        yield Trial(uid, page, text)


@contextmanager
def running(namespace: str, labels: dict[str, str], spec: Json) -> Iterator[tuple[str, str]]:
    """A Pod with these labels and this spec, ready or not: its name, and its uid, as the cluster
    said when it took it.
    """
    name = f"check-{secrets.token_hex(3)}"
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {**spec, "terminationGracePeriodSeconds": 1},
    }
    try:
        yield name, _made(namespace, json.dumps(manifest))
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


def _made(namespace: str, manifest: str) -> str:
    try:
        return cluster.answer(
            "create",
            f"--namespace={namespace}",
            "--validate=false",
            "--filename=-",
            "--output=jsonpath={.metadata.uid}",
            stdin=manifest,
        ).strip()
    except ClusterRefusedError as said:
        if "forbidden" in str(said):
            # by a quota, for example, which somebody has made: nothing is broken
            raise _kept_out(str(said), "kubectl get resourcequotas,limitranges") from None
        raise EnvironmentProblem(
            f"The cluster does not accept a Pod of the check's own: {said}.", "kubectl get events"
        ) from None


def must_begin(namespace: str, name: str, within_seconds: float = START_SECONDS) -> None:
    """A container of the check's Pod begins to run, or is refused."""

    def look() -> None:
        listed = cluster.objects(f"/api/v1/namespaces/{namespace}/pods")
        found = next((one for one in listed if one["metadata"]["name"] == name), None)
        said = trouble(found) if found else (f"The Pod `{name}` was removed.", "")
        if found is None or waits_for_node(found):
            raise _kept_out(said[0] if said else "", "kubectl describe nodes")
        if not has_begun(found):
            raise _NotBegunError(said[0] if said else "", "a Pod that runs.", "kubectl get events")

    try:
        eventually(look, within_seconds)
    except _NotBegunError as failure:
        raise EnvironmentProblem(
            f"A Pod of the check's own does not start: {failure.found}", failure.hint
        ) from None


def _must_start(namespace: str, name: str) -> None:
    try:
        Pod(name).must_be_ready(within_seconds=START_SECONDS)
    except CheckFailed as failure:
        must_begin(namespace, name, within_seconds=0)
        # it runs what the check gave it: somebody has stopped it, or taken its image away
        raise _kept_out(failure.found, "kubectl get pods,events") from None


def _kept_out(why: str, hint: str) -> CheckFailed:
    return CheckFailed(
        f"The check could not run a Pod of its own: {why}",
        "a cluster that takes one more Pod.",
        hint,
    )


def _server(port: int | str, page: str, text: str) -> Json:
    number = port if isinstance(port, int) else NAMED_PORT
    named = {} if isinstance(port, int) else {"name": port}
    serve = (
        f"mkdir -p /tmp/www && echo {text} > /tmp/www/{page} && exec httpd -f -p {number}"
        " -h /tmp/www"
    )
    container = {
        "name": "page",
        "image": genuine_id(IMAGE) or IMAGE,  # what a student calls busybox may be anything
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", serve],
        "ports": [{"containerPort": number, **named}],
        "readinessProbe": {"httpGet": {"path": f"/{page}", "port": number}, "periodSeconds": 1},
    }
    return {"automountServiceAccountToken": False, "containers": [container]}
