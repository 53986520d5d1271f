"""A lab of its own for a measurement: made for it, and removed afterwards."""

import time
from typing import Self

import docker
from docker.models.containers import Container

from grader.sandbox.containers import SandboxImage
from lab.course import LABEL, NAME
from lab.errors import LabError
from lab.machine import containers
from lab.seat import Seat

START_SECONDS = 180


class BenchLab:
    """A context manager: an engine with the course images, and JupyterLab."""

    def __init__(self, client: docker.DockerClient, place: SandboxImage) -> None:
        self._client = client
        self._place = place
        self._name = f"{NAME}-bench"
        self.container: Container

    def __enter__(self) -> Self:
        self._remove()
        seat = Seat(
            self._name,
            self._place.image,
            token=self._name,
            hub=False,
            data=f"{self._name}-engine",
            template=str(self._place.registry),
        )
        self._client.volumes.create(seat.data, labels={LABEL: self._name})
        self.container = containers.start(self._client, seat)
        self._wait()
        return self

    def __exit__(self, *error: object) -> None:
        self._remove()

    def run(self, *command: str, folder: str = "/") -> str:
        """What a command in it prints; LabError when it fails."""
        done = containers.run(self.container, list(command), workdir=folder)
        if done.exit_code:
            raise LabError(
                f"`{' '.join(command)}` failed:\n{done.text[-2000:]}",
                "bin/lab doctor; then bin/lab bench again",
            )
        return done.text

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.container.logs(tail=1).decode().strip().endswith(" ready"):
            self.container.reload()
            if self.container.status != "running" or time.monotonic() > deadline:
                raise LabError(
                    f"A lab did not start:\n{self.container.logs(tail=6).decode()}",
                    "bin/lab doctor",
                )
            time.sleep(0.2)

    def _remove(self) -> None:
        if found := containers.find(self._client, self._name):
            found.remove(force=True, v=True)
        for volume in self._client.volumes.list(filters={"label": f"{LABEL}={self._name}"}):
            volume.remove(force=True)
