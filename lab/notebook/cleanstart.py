"""A lesson starts clean, whatever ran before it: another lesson that was broken off, an exercise,
the reader's own tries.
"""

import os
import subprocess
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from lab.notebook.engine import engine
from lab.notebook.errors import LessonError
from lab.notebook.machines import one_node

LABEL = "lesson"
# On the machine's own engine (bin/lab up --engine host) the lab gives this label to all it makes.
OF_THIS_LAB = "LAB_LABEL"
ENGINE = "course.engine"  # on the container of a lab (lab.seat, which is the machine's)
KINDS = (
    "deployments,statefulsets,daemonsets,jobs,cronjobs,pods,services,ingresses,configmaps,secrets,"
    "persistentvolumeclaims"
)
KUBECTL_SECONDS = 120.0


def clean_start(
    lesson: str, *, names: Iterable[str] = (), ports: Iterable[int] = (), cluster: bool = False
) -> None:
    """Remove what lessons left, and put aside what is in the way of this one.

    Removed are the containers, networks and volumes of all lessons, the images of this one, and in
    the cluster, if it is asked for, the objects of all lessons; all of them by their label, and on
    the machine's own engine only with the lab's label too (an image that BuildKit made has none,
    and stays). Any
    other container that has one of the `names` or publishes one of the `ports` that the lesson
    needs is stopped and gets another name, and a line says so: nothing of it is lost. A cluster of
    the lab's own has one node afterwards: one that is switched off would keep its Pods.

    >>> clean_start("09", names=["web"], ports=[8080])
    """
    if cluster:  # first: a Pod's container keeps its image
        one_node()
        _remove_from_the_cluster()
    with engine() as client:
        _remove(client, lesson)
        for container in _in_the_way(client, set(names), set(ports)):
            _put_aside(container)


def _remove(client: docker.DockerClient, lesson: str) -> None:
    of_this_lab = list(filter(None, [os.environ.get(OF_THIS_LAB)]))
    all_lessons: dict[str, Any] = {"label": [LABEL, *of_this_lab]}
    this_lesson: dict[str, Any] = {"label": [f"{LABEL}={lesson}", *of_this_lab]}
    for container in client.containers.list(all=True, filters=all_lessons, ignore_removed=True):
        _gone(partial(container.remove, force=True, v=True))
    for network in client.networks.list(filters=all_lessons):
        _gone(network.remove)
    for volume in client.volumes.list(filters=all_lessons):
        _gone(volume.remove)
    for image in client.images.list(filters=this_lesson):
        for name in image.tags or [str(image.id)]:
            _gone(partial(client.images.remove, name, force=True))


def _gone(remove: Callable[[], object]) -> None:
    try:
        remove()
    except NotFound:
        return
    except APIError as error:
        raise LessonError(
            f"What an earlier lesson left cannot be removed: {error.explanation}\nTry: docker ps -a"
            " shows what uses it; docker rm -f NAME removes a container."
        ) from error


def _in_the_way(client: docker.DockerClient, names: set[str], ports: set[int]) -> list[Container]:
    """Containers that have a name or hold a port of the machine that the lesson needs."""
    found = client.containers.list(all=True, ignore_removed=True)
    return [one for one in found if one.name in names or ports & _published(one)]


def _published(container: Container) -> set[int]:
    bindings = container.attrs["NetworkSettings"]["Ports"] or {}
    return {int(one["HostPort"]) for many in bindings.values() for one in many or []}


def _put_aside(container: Container) -> None:
    name = str(container.name)
    if ENGINE in container.labels:
        raise LessonError(
            f"The lab itself (the container `{name}`) holds a port that this lesson needs.\n"
            "Try: bin/lab down, then bin/lab up with another --port, on your machine."
        )
    label, _, value = os.environ.get(OF_THIS_LAB, "").partition("=")
    if label and container.labels.get(label) != value:
        raise LessonError(
            f"The container `{name}` has a name or a port that this lesson needs, and it is not the"
            f" course's.\nTry: docker stop {name}, and docker rename {name} ANOTHER-NAME; or"
            " bin/lab up without --engine host, for an engine of the course's own."
        )
    new = f"{name}-{container.short_id[:4]}"
    try:
        container.rename(new)
        container.stop()
    except NotFound:  # it ended meanwhile
        return
    print(f"The container {name} was in the way: it is stopped now, and its name is {new}.")  # noqa: T201


def _remove_from_the_cluster() -> None:
    delete = ["kubectl", "delete", KINDS, "-l", LABEL, "--cascade=foreground", "--now"]
    try:
        done = subprocess.run(delete, capture_output=True, text=True, timeout=KUBECTL_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise LessonError(
            f"What lessons left in the cluster is not gone after {KUBECTL_SECONDS:g} s.\n"
            "Try: kubectl get pods,nodes shows what keeps it."
        ) from error
    except OSError as error:
        raise LessonError(
            f"There is no kubectl: {error}.\nTry: open the lesson in the lab."
        ) from error
    if done.returncode:
        raise LessonError(f"{done.stderr.strip()}\nTry: kubectl get nodes")
