"""The template: one volume with the course images, for a stopped engine and for a registry.

Each fresh engine is filled from it. It is made once, in a container of the lab image: the images
are pulled if Docker Hub answers, else built as stand-ins (``lab/build/standins/images.toml``). An
unfinished volume (no ``complete`` in it) is made again.
"""

import hashlib
import io
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import cast

import docker
from docker.errors import APIError
from docker.models.containers import Container

from lab.build.base_image import ensure_base
from lab.build.context import host_certificates
from lab.course import LABEL, ROOT
from lab.errors import LabError
from lab.lock import alone
from lab.machine import containers
from lab.progress import step
from lab.seat import STAND_INS, Seat

STANDINS = ROOT / "lab" / "build" / "standins"
HUB = "docker-course-template-hub-"
BUILDER = "docker-course-template-builder"
# docker-registry itself: the front on port 5000 lets no one write the mirror's own images
REGISTRY = "127.0.0.1:5001"
READY_SECONDS = 60
AT_ONCE = 3  # much of making an image is waiting for the network
COMPLETE = "complete"
SCRATCH = "/opt"  # a folder of the builder, which is thrown away


@dataclass(frozen=True)
class CourseImage:
    """One entry of images.toml."""

    name: str
    folder: str
    tags: tuple[str, ...]
    args: dict[str, str]
    internal: bool = False
    fetched: bool = False
    hub: tuple[str, ...] = ()

    def pushed(self, *, hub: bool) -> tuple[str, ...]:
        """The tags in the registry; from Docker Hub, only those that are not a gigabyte each."""
        return () if self.internal else (self.hub if hub and self.hub else self.tags)

    def offered(self, *, hub: bool) -> tuple[str, ...]:
        """The tags that students find among the engine's images."""
        return () if self.fetched else self.pushed(hub=hub)


def course_images() -> list[CourseImage]:
    """The course images in the order in which they are built."""
    entries = tomllib.loads((STANDINS / "images.toml").read_text())["image"]
    return [
        CourseImage(**{**entry, "tags": tuple(entry["tags"]), "hub": tuple(entry.get("hub", ()))})
        for entry in entries
    ]


def names() -> list[str]:
    """Names of the images that a student finds."""
    tags = [tag for image in course_images() for tag in image.offered(hub=False)]
    return list(dict.fromkeys(tag.partition(":")[0] for tag in tags))


def ensure(client: docker.DockerClient, lab_image: str, *, hub: bool) -> str:
    """Name of the template's volume, filled first if it is missing or unfinished.

    A complete one is used whether Docker Hub answers today or not: without a network the lab starts
    with what it has. Two commands at once fill it once: the second waits.
    """
    with alone("template"):
        return _ensure(client, lab_image, hub=hub)


def _ensure(client: docker.DockerClient, lab_image: str, *, hub: bool) -> str:
    for mode in (hub, not hub):
        volume = _volume(hub=mode)
        if _exists(client, volume):
            if containers.has_file(client, lab_image, volume, COMPLETE):
                return volume
            _discard(client, volume)
    volume = _volume(hub=hub)
    client.volumes.create(volume, labels={LABEL: "template"})
    if leftover := containers.find(client, BUILDER):
        leftover.remove(force=True, v=True)
    container = containers.start(
        client, Seat(BUILDER, lab_image, mode="template", template=volume, hub=hub)
    )
    try:
        builder = Builder(client, container)
        builder.wait_until_ready()
        builder.fill(builder.pull if hub else builder.prepare_and_build(), hub=hub)
        container.stop(timeout=30)
        builder.mark_complete()
    finally:
        container.remove(force=True, v=True)
    remove_all(client, but=volume)
    return volume


def side_by_side(
    images: Sequence[CourseImage], work: Callable[[CourseImage], None]
) -> Iterator[CourseImage]:
    """Do the work for ``AT_ONCE`` images at a time, for each one after the image it is built on.

    Yields each image when it is done. The first error is raised when the work that has begun ends.
    """

    def after(base: Future[CourseImage] | None, image: CourseImage) -> CourseImage:
        if base:
            base.result()
        work(image)
        return image

    begun: dict[str, Future[CourseImage]] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for image in images:
            started = pool.submit(after, begun.get(image.args.get("BASE", "")), image)
            begun |= dict.fromkeys(image.tags, started)
        try:
            for done in as_completed(set(begun.values())):
                yield done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def remove_all(client: docker.DockerClient, *, but: str = "") -> None:
    """Remove every template, of this or an earlier version, that nothing uses."""
    for volume in client.volumes.list(filters={"label": f"{LABEL}=template"}):
        if volume.name == but:
            continue
        try:
            volume.remove()
        except APIError:
            continue


def holds_stand_ins(volume: str) -> bool:
    """Whether a template's images are stand-ins (else they are Docker Hub's)."""
    return volume.startswith(STAND_INS)


def _volume(*, hub: bool) -> str:
    digest = hashlib.sha256(b"hub" if hub else host_certificates())
    for path in sorted(STANDINS.rglob("*")):
        if path.is_file():
            digest.update(
                path.relative_to(STANDINS).as_posix().encode() + b"\0" + path.read_bytes()
            )
    return f"{HUB if hub else STAND_INS}{digest.hexdigest()[:12]}"


def is_made(client: docker.DockerClient) -> bool:
    """Whether a template is there: from Docker Hub's images, or from stand-ins."""
    return any(_exists(client, _volume(hub=mode)) for mode in (True, False))


def _exists(client: docker.DockerClient, volume: str) -> bool:
    return any(found.name == volume for found in client.volumes.list(filters={"name": volume}))


def _discard(client: docker.DockerClient, volume: str) -> None:
    for container in client.containers.list(all=True, filters={"volume": volume}):
        container.remove(force=True, v=True)
    client.volumes.get(volume).remove(force=True)


@dataclass(frozen=True)
class Builder:
    """The container in which a template is made: its engine's data is the template."""

    client: docker.DockerClient
    container: Container

    def wait_until_ready(self) -> None:
        """LabError if the engine inside does not start: then none will on this machine."""
        deadline = time.monotonic() + READY_SECONDS
        while b" ready" not in (log := self.container.logs()):
            self.container.reload()
            if self.container.status != "running" or time.monotonic() > deadline:
                raise LabError(
                    "An engine inside a container does not start on this machine:\n"
                    + log.decode(errors="replace").strip(),
                    "bin/lab doctor; or bin/lab up --engine host, which uses the machine's own"
                    " engine",
                )
            time.sleep(0.1)

    def fill(self, bring: Callable[[CourseImage], None], *, hub: bool) -> None:
        """Bring each image into the engine, and into the registry under its Docker Hub name."""
        images = course_images()

        def work(image: CourseImage) -> None:
            progress.note(image.name)
            bring(image)
            for tag in image.pushed(hub=hub):
                name = f"{REGISTRY}/{tag if '/' in tag else f'library/{tag}'}"
                self.run(
                    f"docker tag {tag} {name} && docker push --quiet {name}"
                    f" && docker image rm {name}"
                )

        with step("Prepare the course images") as progress:
            progress.advance(0, len(images))
            for number, _ in enumerate(side_by_side(images, work), 1):
                progress.advance(number, len(images))
            hidden = [tag for image in images if not image.offered(hub=hub) for tag in image.tags]
            self.run(
                f"docker image rm {' '.join(hidden)} || true; docker builder prune --all --force;"
                " docker image prune --force"
            )

    def pull(self, image: CourseImage) -> None:
        """The real image, from Docker Hub."""
        for tag in image.pushed(hub=True):
            self.run(f"docker pull --quiet {tag}")

    def prepare_and_build(self) -> Callable[[CourseImage], None]:
        """Copy base image and build contexts into the builder; returns what builds an image."""
        self._copy_base()
        self.container.put_archive(SCRATCH, _contexts())
        tar = f"{SCRATCH}/base.tar"
        self.run(f"docker import --change 'CMD [\"bash\"]' {tar} debian:trixie-slim && rm {tar}")
        return self._build

    def mark_complete(self) -> None:
        """Mark the volume as complete."""
        with tarfile.open(fileobj=(spool := io.BytesIO()), mode="w") as archive:
            archive.addfile(tarfile.TarInfo(COMPLETE))
        self.container.put_archive("/template", spool.getvalue())

    def run(self, script: str) -> None:
        """Run a shell script inside; LabError with its last lines when it fails."""
        for _ in containers.stream(
            self.client, self.container, ["bash", "-euo", "pipefail", "-c", script]
        ):
            pass

    def _copy_base(self) -> None:
        """The base image's files, streamed from the machine's containers."""
        base = ensure_base(self.client, hub=False)
        donor = self.client.containers.create(
            base, ["true"], labels={LABEL: "probe"}, network_disabled=True
        )
        try:
            with tempfile.TemporaryFile() as tar:
                for chunk in donor.export():
                    tar.write(cast(bytes, chunk))
                containers.put_stream(self.container, SCRATCH, "base.tar", tar)
        finally:
            donor.remove(force=True)

    def _build(self, image: CourseImage) -> None:
        names = " ".join(f"--tag {tag}" for tag in image.tags)
        args = " ".join(f"--build-arg {key}={value}" for key, value in image.args.items())
        folder = f"{SCRATCH}/standins"
        self.run(
            f"docker build --progress plain --build-context ca={folder}/ca {names} {args}"
            f" {folder}/{image.folder}"
        )


def _contexts() -> bytes:
    """The build contexts, and `ca` with the machine's certificate authorities, as a tar."""
    with tarfile.open(fileobj=(spool := io.BytesIO()), mode="w") as archive:
        archive.add(STANDINS, arcname="standins")
        certificates = host_certificates()
        entry = tarfile.TarInfo("standins/ca/ca-certificates.crt")
        entry.size = len(certificates)
        archive.addfile(entry, io.BytesIO(certificates))
    return spool.getvalue()
