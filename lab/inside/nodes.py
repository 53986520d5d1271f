"""``lab nodes``: how many nodes the lab's own cluster has, and which are switched off."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from typing import Any

import click

from lab.cluster.model.objects import is_true
from lab.cluster.registry.machines import CONTROL_PLANE, MOST_NODES, NODE_LABEL, OFF, ON, POWER
from lab.errors import LabError

SECONDS = 120
KUBECTL = ("kubectl", "--context", "lab")


@click.command("nodes")
@click.argument("count", type=click.IntRange(1, MOST_NODES), required=False)
@click.option("--off", metavar="NODE", help="Switch a node off, as if it lost its power.")
@click.option("--on", metavar="NODE", help="Switch it on again.")
def nodes(count: int | None, off: str | None, on: str | None) -> None:
    """Show the nodes of the lab's cluster, or make it a cluster of COUNT nodes.

    The cluster starts with one node, lab. More are called lab-2, lab-3 and so on; going back to
    fewer takes away the last ones, with all that runs on them.

    A node that is switched off says nothing to the cluster: its containers are killed, and the
    cluster only notices that no heartbeats come, after 50 seconds. Watch it happen with
    kubectl get nodes --watch.

    \b
    Examples:
      lab nodes 3
      lab nodes --off lab-2
      lab nodes --on lab-2
      lab nodes 1
    """  # noqa: D301  (click reads the backspace)
    if sum(value is not None for value in (count, off, on)) > 1:
        raise click.UsageError("Give one of COUNT, --off and --on.")
    _check_own()
    if count is not None:
        set_count(count)
    elif off is not None:
        switch_off(off)
    elif on is not None:
        switch_on(on)
    click.echo(_kubectl("get", "nodes"), nl=False)


def check_ready(count: int) -> None:
    """LabError, with what to do, when fewer than ``count`` nodes of the lab's cluster are Ready."""
    _check_there()
    there = _nodes()
    unready = [name for name, node in there.items() if not is_true(node, "Ready")]
    if len(there) - len(unready) >= count:
        return
    _check_own()
    but = f"; not Ready: {', '.join(unready)}" if unready else ""
    raise LabError(
        f"This needs a cluster of {count} nodes. This lab's has {', '.join(there)}{but}.",
        f"lab nodes {count}" if len(there) < count else f"lab nodes --on {unready[0]}",
    )


def set_count(count: int) -> None:
    """Add nodes, or take away the last ones. LabError when that does not come to an end."""
    there = _nodes()
    first = first_node(there)
    wanted = [first, *(f"{first}-{number}" for number in range(2, count + 1))]
    for name in wanted:
        if name not in there:
            _add(name)
    for name, node in there.items():
        if name not in wanted and POWER in (node["metadata"].get("annotations") or {}):
            _remove(name)
    _wait_ready(*(name for name in wanted if _power(there.get(name, {})) != OFF))


def _add(name: str) -> None:
    node = {"metadata": {"name": name, "annotations": {POWER: ON}}}
    _kubectl("create", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "Node"} | node))


def _remove(name: str) -> None:
    _kubectl("delete", "node", name)
    _until(lambda: not _containers(name, "--all"), f"{name} still has containers")


def switch_off(name: str) -> None:
    """Take the power of a node away, and return when nothing runs on it. LabError for the first."""
    there = _nodes()
    _check(name, there)
    if name == first_node(there):
        raise LabError(
            f"{name} cannot be switched off: it runs the control plane, which has to notice.",
            "lab nodes 3, then lab nodes --off lab-3",
        )
    _annotate(name, OFF)
    _until(lambda: not _containers(name), f"{name} still runs containers")


def switch_on(name: str) -> None:
    """Give a node its power back, and return when it is Ready."""
    there = _nodes()
    _check(name, there)
    if _power(there[name]) != OFF:
        return
    before = _last_heartbeat(name)
    _annotate(name, ON)
    _until(lambda: _last_heartbeat(name) != before, f"{name} does not say that it is on")
    _wait_ready(name)


def _check_own() -> None:
    """LabError when the nodes are not the lab's to add, to remove or to switch."""
    _check_there()
    if _kind() != "own":
        raise LabError(
            "The nodes of this lab's cluster are not the lab's: it uses somebody's own cluster.",
            "bin/lab up --cluster own on your machine",
        )


def _check_there() -> None:
    """LabError when the lab has no cluster."""
    if _kind() == "none":
        raise LabError(
            "This lab has no cluster: on the machine's own engine it cannot have its own.",
            "bin/lab up --engine own on your machine, for a lab with a cluster of its own",
        )


def _kind() -> str:
    return os.environ.get("LAB_CLUSTER", "own")


def _nodes() -> dict[str, Any]:
    """The nodes by their names."""
    listed = json.loads(_kubectl("get", "nodes", "-o", "json"))["items"]
    return {node["metadata"]["name"]: node for node in listed}


def first_node(nodes: dict[str, Any]) -> str:
    """The node that runs the control plane. LabError when it was deleted.

    >>> by_hand, lab = {"metadata": {}}, {"metadata": {"labels": {CONTROL_PLANE: ""}}}
    >>> first_node({"by-hand": by_hand, "lab": lab})
    'lab'
    >>> first_node({"by-hand": by_hand})
    Traceback (most recent call last):
    lab.errors.LabError: The cluster has no node that runs its control plane: it was deleted.
    Try: bin/lab down and bin/lab up on your machine
    """
    for name, node in nodes.items():
        if CONTROL_PLANE in (node["metadata"].get("labels") or {}):
            return name
    raise LabError(
        "The cluster has no node that runs its control plane: it was deleted.",
        "bin/lab down and bin/lab up on your machine",
    )


def _power(node: dict[str, Any]) -> str:
    return str((node.get("metadata", {}).get("annotations") or {}).get(POWER, ON))


def _check(name: str, nodes: dict[str, Any]) -> None:
    if name not in nodes:
        raise LabError(
            f"There is no node {name}. The cluster has {', '.join(nodes)}.", "lab nodes 3"
        )


def _annotate(name: str, power: str) -> None:
    _kubectl("annotate", "--overwrite", "node", name, f"{POWER}={power}")


def _wait_ready(*names: str) -> None:
    _kubectl("wait", "--for=condition=Ready", f"--timeout={SECONDS}s", "node", *names)


def _last_heartbeat(name: str) -> str:
    lease = ("lease", name, "--namespace", "kube-node-lease", "--ignore-not-found")
    return _kubectl("get", *lease, "-o", "jsonpath={.spec.renewTime}")


def _containers(node: str, *options: str) -> str:
    """The ids of a node's containers on the engine: those that run, or ``--all``."""
    command = ["docker", "ps", "--quiet", "--filter", f"label={NODE_LABEL}={node}", *options]
    return _run(command, "docker ps")


def _until(what: Callable[[], bool], why: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not what():
        if time.monotonic() > deadline:
            raise LabError(f"After {SECONDS} seconds, {why}.", "cat /var/log/lab/cluster.log")
        time.sleep(0.1)


def _kubectl(*arguments: str, text: str = "") -> str:
    return _run([*KUBECTL, *arguments], "kubectl get nodes", text)


def _run(command: list[str], hint: str, text: str = "") -> str:
    """What the command prints. LabError when it fails."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)} failed: {done.stderr.strip()}", hint)
    return done.stdout
