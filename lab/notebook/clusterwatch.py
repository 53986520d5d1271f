"""What becomes of the cluster's nodes, and of some Pods, while something else is measured."""

import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Lock, Thread

from lab.notebook.errors import LessonError

SETTLED_SECONDS = 300.0
"""So long after the commands the Pods may need to be complete again."""

_PAUSE_SECONDS = 0.1
_NONE = "<none>"
_READY = '.status.conditions[?(@.type=="Ready")].status'
# One word each, so that a line is its words. The version of an object only ever grows.
_COLUMNS = {
    "nodes": (
        ".metadata.resourceVersion",
        ".metadata.name",
        ".metadata.annotations.lab/power",
        _READY,
    ),
    "pods": (
        ".metadata.resourceVersion",
        ".metadata.name",
        ".spec.nodeName",
        ".metadata.deletionTimestamp",
        _READY,
    ),
}


@dataclass(frozen=True)
class Mark:
    """Something that the cluster reported, `seconds` after the recording began."""

    seconds: float
    text: str


@dataclass(frozen=True)
class _Node:
    off: bool
    ready: bool


@dataclass(frozen=True)
class _Pod:
    node: str
    ready: bool


class ClusterWatch:
    """The state of nodes and Pods by what `kubectl` prints of them; changes become `marks`.

    A node is marked when it is switched off or on, and when it becomes NotReady or Ready; the Pods
    when as many of them are ready as at the first look, after they had been fewer.
    """

    def __init__(self, began: float, marks: list[Mark]) -> None:
        """`began` is the moment (`time.monotonic`) from which the seconds of marks count."""
        self._began, self.marks = began, marks
        self._versions: dict[tuple[str, str], int] = {}
        self._nodes: dict[str, _Node] = {}
        self._pods: dict[str, _Pod] = {}
        self._wanted, self._lock = 0, Lock()

    def first(self, nodes: Iterable[str], pods: Iterable[str]) -> None:
        """Take the lines of the first look: how it is, and should be again."""
        for kind, lines in (("nodes", nodes), ("pods", pods)):
            for line in lines:
                self.take(kind, line)
        self.marks.clear()
        self._wanted = self._ready_pods()

    def take(self, kind: str, line: str) -> None:
        """Take a line about an object; one that is older than what is known changes nothing."""
        version, name, *rest = line.split()
        with self._lock:
            if self._versions.get((kind, name), -1) >= int(version):
                return
            self._versions[kind, name] = int(version)
            missing = self._ready_pods() < self._wanted
            if kind == "nodes":
                self._take_node(name, *rest)
            else:
                node, deleted, ready = rest
                self._pods[name] = _Pod(node, ready == "True" and deleted == _NONE)
            if missing and self._ready_pods() >= self._wanted:
                count = self._wanted
                these = f"{count} Pods are" if count > 1 else "the Pod is"
                self._mark(f"{these} ready again")

    def is_settled(self) -> bool:
        """Whether the cluster knows of each node that is off, and all Pods are ready elsewhere."""
        with self._lock:
            unnoticed = any(node.off and node.ready for node in self._nodes.values())
            return not unnoticed and self._ready_pods() >= self._wanted

    def _take_node(self, name: str, power: str, ready: str) -> None:
        before, now = self._nodes.get(name), _Node(power == "off", ready == "True")
        self._nodes[name] = now
        if before is None:
            return
        if before.off != now.off:
            self._mark(f"{name} is switched {'off' if now.off else 'on'}")
        if before.ready != now.ready:
            self._mark(f"{name} is {'Ready' if now.ready else 'NotReady'}")

    def _mark(self, text: str) -> None:
        self.marks.append(Mark(time.monotonic() - self._began, text))

    def _ready_pods(self) -> int:
        """Those on a node that is ready, too: of the others nobody knows."""
        return sum(
            pod.ready and self._nodes.get(pod.node, _Node(off=False, ready=True)).ready
            for pod in self._pods.values()
        )


@contextmanager
def watch_cluster(label: str, began: float, marks: list[Mark]) -> Iterator[Callable[[], None]]:
    """Watch the nodes and the Pods with this label, meanwhile; what it gives waits until the Pods
    are complete again. LessonError without a cluster.
    """
    watch = ClusterWatch(began, marks)
    watch.first(_lines(_get("nodes", label)), _lines(_get("pods", label)))
    readers = [_follow(watch, kind, [*_get(kind, label), "--watch"]) for kind in _COLUMNS]
    try:
        yield partial(_settle, watch, label)
    finally:
        for process, reader in readers:
            process.terminate()
            reader.join()
            process.wait()


def _settle(watch: ClusterWatch, label: str) -> None:
    """It begins with a look of its own: what is watched may be reported a little later."""
    for kind in _COLUMNS:
        for line in _lines(_get(kind, label)):
            watch.take(kind, line)
    deadline = time.monotonic() + SETTLED_SECONDS
    while not watch.is_settled() and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)


def _get(kind: str, label: str) -> list[str]:
    columns = ",".join(f"C{number}:{path}" for number, path in enumerate(_COLUMNS[kind]))
    command = ["kubectl", "get", kind, "--no-headers", "-o", f"custom-columns={columns}"]
    return [*command, *(["-l", label] if kind == "pods" else [])]


def _lines(command: list[str]) -> list[str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise LessonError(
            f"There is no kubectl: {error}.\nTry: open the lesson in the lab."
        ) from error
    if done.returncode:
        raise LessonError(f"{done.stderr.strip()}\nTry: kubectl get nodes")
    return done.stdout.splitlines()


def _follow(
    watch: ClusterWatch, kind: str, command: list[str]
) -> tuple[subprocess.Popen[str], Thread]:
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )

    def read() -> None:
        for line in process.stdout or ():
            watch.take(kind, line)

    reader = Thread(target=read, daemon=True)
    reader.start()
    return process, reader
