"""What a recording notices of nodes and Pods, in whatever order it is reported."""

import itertools
import time
from pathlib import Path

import pytest

from lab.notebook.availability import record_answers
from lab.notebook.clusterwatch import ClusterWatch
from lab.notebook.errors import LessonError

from .programs import put_program
from .test_availability import Site, site

__all__ = ["site"]  # a fixture
ON, OFF, NONE = "on", "off", "<none>"
VERSION = itertools.count(100)


def node(name: str, power: str = ON, ready: str = "True") -> str:
    return f"{next(VERSION)}   {name}   {power}   {ready}"


def pod(name: str, where: str, ready: str = "True", deleted: str = NONE) -> str:
    return f"{next(VERSION)}   {name}   {where}   {deleted}   {ready}"


@pytest.fixture
def watch() -> ClusterWatch:
    """Of three nodes, with a Pod on each."""
    watch = ClusterWatch(time.monotonic(), [])
    nodes = [node("lab", NONE), node("lab-2"), node("lab-3")]
    watch.first(nodes, [pod("a", "lab"), pod("b", "lab-2"), pod("c", "lab-3")])
    return watch


def texts(watch: ClusterWatch) -> list[str]:
    return [mark.text for mark in watch.marks]


def test_how_it_is_at_first_is_not_marked(watch: ClusterWatch) -> None:
    assert texts(watch) == []
    assert watch.is_settled()


def test_a_machine_fails_and_its_pod_is_made_elsewhere(watch: ClusterWatch) -> None:
    told = []
    for kind, line in [
        ("nodes", node("lab-2", OFF)),
        ("nodes", node("lab-2", OFF, "Unknown")),
        ("pods", pod("b", "lab-2", "False")),
        ("pods", pod("b", "lab-2", "False", "2026-01-01T00:00:00Z")),
        ("pods", pod("d", NONE, NONE)),
        ("pods", pod("d", "lab", "False")),
        ("pods", pod("d", "lab")),
    ]:
        watch.take(kind, line)
        told.append(watch.is_settled())
    assert told == [False] * 6 + [True]
    assert texts(watch) == ["lab-2 is switched off", "lab-2 is NotReady", "3 Pods are ready again"]
    assert [mark.seconds for mark in watch.marks] == sorted(mark.seconds for mark in watch.marks)


def test_a_machine_that_is_on_again_is_marked(watch: ClusterWatch) -> None:
    for line in (node("lab-3", OFF), node("lab-3", OFF, "Unknown"), node("lab-3", ON, "Unknown")):
        watch.take("nodes", line)
    watch.take("nodes", node("lab-3"))
    assert texts(watch)[2:] == ["lab-3 is switched on", "lab-3 is Ready", "3 Pods are ready again"]


def test_a_report_that_comes_late_changes_nothing(watch: ClusterWatch) -> None:
    late, new = node("lab-2"), node("lab-2", OFF)
    watch.take("nodes", new)
    watch.take("nodes", late)
    watch.take("nodes", new)
    assert texts(watch) == ["lab-2 is switched off"]


def test_a_pod_that_is_more_than_before_is_not_marked(watch: ClusterWatch) -> None:
    watch.take("pods", pod("d", "lab"))
    watch.take("pods", pod("d", "lab", "False"))
    assert texts(watch) == []


def test_a_recording_continues_until_the_pods_are_complete(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its `kubectl get` shows files, and with `--watch` it follows one."""
    for kind, line in (("nodes", node("lab-2")), ("pods", pod("b", "lab-2"))):
        (tmp_path / kind).write_text(line + "\n")
        (tmp_path / f"{kind}.watch").write_text("")
    follow = f'case "$*" in *--watch*) exec tail -n +1 -f {tmp_path}/$2.watch;; esac'
    put_program(tmp_path, "kubectl", f"{follow}; cat {tmp_path}/$2")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def report(kind: str, line: str) -> None:
        with (tmp_path / f"{kind}.watch").open("a") as lines:
            lines.write(line + "\n")

    with record_answers("off", site.url, pods="app=site") as dark:
        (tmp_path / "nodes").write_text(node("lab-2", OFF) + "\n")
        report("nodes", node("lab-2", OFF, "Unknown"))
        report("pods", pod("d", "lab"))
    assert [mark.text for mark in dark.marks] == [
        "lab-2 is switched off",
        "lab-2 is NotReady",
        "the Pod is ready again",
    ]
    assert str(dark).splitlines()[0].startswith("off: 0 of ")


def test_a_cluster_that_does_not_answer_is_said(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_program(tmp_path, "kubectl", "echo 'connection refused' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(LessonError, match=r"connection refused\nTry: kubectl"):
        record_answers("off", site.url, pods="app=site").__enter__()
