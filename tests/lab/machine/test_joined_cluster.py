"""Which cluster a lab gets."""

from types import SimpleNamespace
from typing import Any

import pytest

from lab.errors import LabError
from lab.machine import joined_cluster as kubernetes


def running(cluster: str | None) -> Any:
    """A lab's container, as far as this looks at it."""
    return SimpleNamespace(labels={kubernetes.CHOICE: cluster} if cluster else {})


@pytest.mark.parametrize(
    ("asked", "before", "on_host", "wanted"),
    [
        (None, None, False, "own"),
        (None, running("own"), False, "own"),
        (None, running(None), False, "own"),  # a lab of an earlier version
        (None, running("none"), False, "own"),  # one beside the machine's engine
        (None, running("current"), False, "current"),
        ("own", running("current"), False, "own"),
        ("current", running("own"), False, "current"),
        (None, running("own"), True, "none"),
        (None, running("current"), True, "current"),
        ("current", None, True, "current"),
    ],
)
def test_what_was_asked_for_else_what_is_there(
    asked: str | None, before: Any, on_host: bool, wanted: str
) -> None:
    assert kubernetes.chosen(asked, before, on_host=on_host) == wanted


def test_no_cluster_of_its_own_beside_the_machines_engine() -> None:
    with pytest.raises(LabError, match="no cluster of its own"):
        kubernetes.chosen("own", None, on_host=True)


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        (kubernetes.Cluster("own", ready=True), "its own: ready"),
        (kubernetes.Cluster("own", ready=False), "its own: does not answer"),
        (
            kubernetes.Cluster("current", True, "kind", "docker-course-1"),
            "that of kind, in the namespace docker-course-1: ready",
        ),
        (None, "none"),
    ],
)
def test_status_says_which(cluster: kubernetes.Cluster | None, said: str) -> None:
    assert kubernetes.told(cluster).startswith(said)
