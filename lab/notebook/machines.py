"""The machines of the lab's own cluster: a lesson finds one, may add some and switch one off."""

import os
import subprocess

from lab.notebook.errors import LessonError

CLUSTER = "LAB_CLUSTER"  # lab.seat: own, current (somebody's own) or none


def own_nodes() -> bool:
    """Whether the lab can add nodes to the cluster and switch them off: only if the cluster is the
    lab's. On any other, a line says what the cell would need.

    >>> if own_nodes():
    ...     %shell lab nodes 3
    """
    if _are_ours():
        return True
    print(  # noqa: T201
        "Nothing is done here: this cell adds machines or switches them off, so it needs the lab's"
        " own cluster (bin/lab up --cluster own, on your machine)."
    )
    return False


def one_node() -> None:
    """Bring the lab's own cluster back to one node, whatever became of the others, and say so.

    Any other cluster is left alone. LessonError if it does not work.
    """
    if not _are_ours() or len(before := _nodes()) < 2:
        return
    done = subprocess.run(["lab", "nodes", "1"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LessonError(f"The cluster does not go back to one node.\n{done.stderr.strip()}")
    gone = sorted(before - _nodes())
    print(f"The cluster has one node again; {', '.join(gone)} had been added.")  # noqa: T201


def _are_ours() -> bool:
    return os.environ.get(CLUSTER) == "own"


def _nodes() -> set[str]:
    """Their names; none where the cluster does not answer, which the next command will say."""
    ask = ["kubectl", "--context", "lab", "get", "nodes", "-o", "name"]
    try:
        done = subprocess.run(ask, capture_output=True, text=True, check=False)
    except OSError:
        return set()
    return {name.removeprefix("node/") for name in done.stdout.split()}
