"""Which cluster a lab gets."""

import pytest

from lab.errors import LabError
from lab.machine import joined_cluster
from lab.seat import Seat


def running(cluster: str | None) -> Seat:
    """The seat that is read from a lab's container with that label."""
    labels = {"course.cluster": cluster} if cluster else {}
    config = {"Image": "lab", "Labels": labels, "Env": [], "Cmd": ["start", "lab"]}
    return Seat.from_docker({"Name": "/lab", "Config": config, "HostConfig": {"Binds": []}})


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
    asked: str | None, before: Seat | None, on_host: bool, wanted: str
) -> None:
    assert joined_cluster.chosen(asked, before, on_host=on_host) == wanted


def test_no_cluster_of_its_own_beside_the_machines_engine() -> None:
    with pytest.raises(LabError, match="cannot have its own cluster"):
        joined_cluster.chosen("own", None, on_host=True)


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        (joined_cluster.Cluster("own", ready=True), "its own: ready"),
        (joined_cluster.Cluster("own", ready=False), "its own: does not answer"),
        (
            joined_cluster.Cluster("current", True, "kind", "docker-course-1"),
            "that of kind, in the namespace docker-course-1: ready",
        ),
        (None, "none"),
    ],
)
def test_status_says_which(cluster: joined_cluster.Cluster | None, said: str) -> None:
    assert joined_cluster.describe(cluster).startswith(said)
