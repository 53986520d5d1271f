"""While the checker looks, nobody else may: in grading, the student's rights in the cluster are
taken away for as long as a cell of the checker's kernel runs, and given back after it.

A process that a student left running could otherwise answer each move of a check: take the name of
an object that a setup cell is about to make, change its labels before they are read, give the
labels of a check's Pod to suit a Service, copy a new value into a Deployment. What was begun before
stays open (a watch, a command in a Pod), and so does `docker exec`: a check must not rely on this
alone.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import Any

from grader.checks import answers, api_server, cluster
from grader.checks.verdict import EnvironmentProblem, Verdict

# where a student's account has its rights; a cluster that judges nobody has no such role
ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/course:students"
SECONDS = 10.0
HELD = (
    "/api/v1/{}/pods",
    "/api/v1/{}/services",
    "/api/v1/{}/configmaps",
    "/api/v1/{}/secrets",
    "/apis/apps/v1/{}/deployments",
    "/apis/apps/v1/{}/replicasets",
)
MOST_RELEASED = 50  # however many a student has made, a setup cell begins soon
OWN_FINALIZERS = {"foregroundDeletion", "orphan"}  # the garbage collector's
_rules: list[Any] = []


def watch() -> None:
    """Do so with each cell from now on. For the checker's kernel, before its first test; without a
    cluster there is nothing to do.
    """
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell and os.environ.get("KUBECONFIG"):
        shell.events.register("pre_run_cell", lambda cell: _begin(str(cell.raw_cell)))
        shell.events.register("post_run_cell", lambda _result: end())


def begin() -> None:
    """From here on the student may do nothing."""
    if not _rules:
        _rules.extend(_present_rules())
    _set([])


def _begin(source: str) -> None:
    begin()
    if "kubectl delete" in source and _rules:
        with suppress(Verdict, answers.NoAnswerError):  # then the cell says so
            _release(source)


def _release(source: str) -> None:
    """Take finalizers away from the objects in the namespace: a setup cell has to remove whatever
    has the name of an object that it makes. Those that it names come first.
    """
    root = f"namespaces/{cluster.namespace()}"
    held = [
        f"{collection.format(root)}/{one['metadata']['name']}"
        for collection in HELD
        for one in cluster.objects(collection.format(root))
        if set(one["metadata"].get("finalizers") or []) - OWN_FINALIZERS
    ]
    held.sort(key=lambda path: path.rpartition("/")[2] not in source)
    for path in held[:MOST_RELEASED]:
        api_server.merge(path, {"metadata": {"finalizers": []}}, SECONDS)


def end() -> None:
    """The student may do again what they might before."""
    _set(_rules)


def _present_rules() -> list[Any]:
    try:
        return list(json.loads(cluster.get(ROLE)).get("rules") or [])
    except (cluster.ClusterRefusedError, EnvironmentProblem):
        return []  # no such role, or no cluster: then the test says so


def _set(rules: list[Any]) -> None:
    if _rules:
        with suppress(answers.NoAnswerError, EnvironmentProblem):
            api_server.merge(ROLE, {"rules": rules}, SECONDS)
