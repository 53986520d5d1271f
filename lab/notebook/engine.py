"""The engine that the lesson's `docker` commands talk to."""

from collections.abc import Iterator
from contextlib import contextmanager

import docker
from docker.errors import DockerException

from lab.notebook.errors import LessonError


@contextmanager
def engine() -> Iterator[docker.DockerClient]:
    """A connection to the Docker engine. Raises LessonError if none answers."""
    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        raise LessonError(
            "The Docker engine does not answer.\nTry: docker info tells why; bin/lab status,"
            " outside."
        ) from error
    try:
        yield client
    finally:
        client.close()


def short_image(name: str) -> str:
    """An image's name as people write it.

    >>> short_image("docker.io/library/nginx:latest"), short_image("sha256:0123456789abcdef0123")
    ('nginx', '0123456789ab')
    """
    if name.startswith("sha256:"):
        return name.removeprefix("sha256:")[:12]
    return name.removeprefix("docker.io/").removeprefix("library/").removesuffix(":latest")
