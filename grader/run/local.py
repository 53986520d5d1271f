"""A class graded on this machine's Docker: its sandboxes are made ahead, in a pool."""

import os
from functools import partial
from types import TracebackType
from typing import Self

import docker
from docker.errors import DockerException

from grader.judging.work import Executed, Work, execute
from grader.sandbox.containers import SandboxImage
from grader.sandbox.docker import DockerSandbox
from grader.sandbox.interface import SandboxError, SandboxLimits
from grader.sandbox.owners import sweep
from grader.sandbox.pool import Sandboxes
from grader.sandbox.template import ensure_template
from lab.build import image as lab_images
from lab.build import template as lab_template
from lab.build.base_image import hub_answers
from lab.errors import LabError

ATTEMPTS = 3  # a sandbox that fails is made anew twice


class LocalCarrier:
    """A context manager. At most ``ahead`` sandboxes wait, and ``needed`` are made in all."""

    def __init__(
        self,
        client: docker.DockerClient,
        image: SandboxImage,
        limits: SandboxLimits,
        *,
        cluster: bool,
        ahead: int,
        needed: int,
    ) -> None:
        make = partial(DockerSandbox, client, image, limits, cluster=cluster)
        self._client = client
        self._sandboxes = Sandboxes(make, ahead=ahead, needed=needed)

    def __enter__(self) -> Self:
        sweep(self._client)
        self._sandboxes.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove all sandboxes, whatever they are used for."""
        self._sandboxes.close()

    def execute(self, work: Work) -> Executed:
        """Run one notebook; our side's failures are tried again."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._sandboxes.sandbox() as sandbox:
                    return execute(work, sandbox)
            except (SandboxError, DockerException) as error:
                if attempt == ATTEMPTS:
                    raise SandboxError(f"{error} (tried {ATTEMPTS} times)") from error
        raise AssertionError("unreachable")


def ensure_sandbox_image(client: docker.DockerClient) -> SandboxImage:
    """What sandboxes are made of, made first where it is missing."""
    hub = hub_answers(client)
    image = os.environ.get("LAB_SANDBOX_IMAGE") or lab_images.ensure_lab_image(client, hub=hub)
    volume = lab_template.ensure(client, image, hub=hub)
    hub = not lab_template.holds_stand_ins(volume)
    names = [tag for one in lab_template.course_images() for tag in one.offered(hub=hub)]
    try:
        return ensure_template(client, image, volume, names)
    except SandboxError as error:
        raise LabError(str(error), "bin/lab doctor; then grade again") from error
