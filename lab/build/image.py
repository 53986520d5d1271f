"""The lab image: what it is made of, and when it has to be made again."""

import hashlib
import io
import os
import re
import ssl
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, ImageNotFound

from lab.build.base_image import ensure_base
from lab.course import LABEL, NAME, ROOT
from lab.errors import LabError
from lab.lock import alone
from lab.progress import Step, step

REPOSITORY = "docker-course/lab"
CHECKOUT = "course.checkout"  # label: which checkout built it
INSIDE = ROOT / "lab" / "inside"
OF_IMAGE = ("Dockerfile", "start", "runtime", "one-output", "registry", "jupyter")
PACKAGED = {".py", ".json"}  # what is taken of the packages lab and grader
STEP = re.compile(r"Step (\d+)/(\d+) : (.*)")


def ensure_lab_image(client: docker.DockerClient, *, hub: bool) -> str:
    """Name of the lab image made from this checkout, built first where it is missing. Two commands
    at once build it once.
    """
    context = build_context()
    name = f"{REPOSITORY}:{hashlib.sha256(context).hexdigest()[:12]}"
    if not _exists(client, name):
        with alone("image"):
            if not _exists(client, name):
                base = ensure_base(client, hub=hub)
                with step("Build the lab image") as progress:
                    _build(client, context, name, base, progress)
                _forget_older(client, name)
    return name


def _exists(client: docker.DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


def build_context() -> bytes:
    """The build context as a tar, the same bytes for the same content (its hash names the
    image).
    """
    with tarfile.open(fileobj=(spool := io.BytesIO()), mode="w") as archive:
        for name, content, executable in sorted(_context_files()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o755 if executable else 0o644
            archive.addfile(entry, io.BytesIO(content))
    return spool.getvalue()


def _context_files() -> Iterator[tuple[str, bytes, bool]]:
    for name in OF_IMAGE:
        for path in [INSIDE / name, *(INSIDE / name).rglob("*")]:
            if path.is_file():
                executable = os.access(path, os.X_OK)
                yield path.relative_to(INSIDE).as_posix(), path.read_bytes(), executable
    yield "requirements.txt", (ROOT / "requirements-image.txt").read_bytes(), False
    yield "ca-certificates.crt", host_certificates(), False
    yield "course/pyproject.toml", (ROOT / "pyproject.toml").read_bytes(), False
    yield "course/README.md", b"", False
    for package in ("lab", "grader"):
        for path in (ROOT / package).rglob("*"):
            if path.suffix in PACKAGED and path.is_file():
                yield f"course/{path.relative_to(ROOT).as_posix()}", path.read_bytes(), False


def host_certificates() -> bytes:
    """The certificate authorities that this machine trusts, an organisation's own among them
    (PEM).
    """
    named = [
        os.environ.get("SSL_CERT_FILE"),
        "/etc/ssl/certs/ca-certificates.crt",
        ssl.get_default_verify_paths().cafile,
    ]
    for candidate in filter(None, named):
        if Path(candidate).is_file():
            return Path(candidate).read_bytes()
    return b""


def any_lab_image(client: docker.DockerClient) -> str:
    """A lab image of whatever version, whichever checkout built it. Raises ImageNotFound when all
    are gone.
    """
    for image in client.api.images(REPOSITORY):
        return str(image["Id"])
    raise ImageNotFound("there is no lab image any more")


def _build(
    client: docker.DockerClient, context: bytes, name: str, base: str, progress: Step
) -> None:
    labels = {LABEL: "image", CHECKOUT: NAME}
    tail: list[str] = []
    stream = client.api.build(
        fileobj=io.BytesIO(context),
        custom_context=True,
        tag=name,
        buildargs={"BASE": base},
        labels=labels,
        rm=True,
        forcerm=True,
        decode=True,
    )
    for message in stream:
        text = message.get("stream") or message.get("error") or ""
        tail = [*tail, *filter(None, text.splitlines())][-8:]
        if found := STEP.match(text):
            progress.advance(int(found[1]) - 1, int(found[2]))
        progress.note(text)
        if "error" in message:
            raise LabError(
                "Building the lab image failed:\n" + "\n".join(tail),
                "check the network and the free disk space (bin/lab doctor), then bin/lab up again: it goes on from here",
            )


def _forget_older(client: docker.DockerClient, current: str) -> None:
    """Lab images of this checkout's earlier versions go, unless something still runs from them."""
    for image in client.api.images(REPOSITORY, filters={"label": f"{CHECKOUT}={NAME}"}):
        for tag in _tags(image):
            if tag != current:
                try:
                    client.images.remove(tag)
                except APIError:
                    continue  # in use: the next build forgets it


def _tags(image: dict[str, Any]) -> list[str]:
    """Of a line of the engine's listing: docker-py's own asks again for each image, which may be
    gone by then.
    """
    return [tag for tag in image["RepoTags"] or [] if tag != "<none>:<none>"]


def remove_all(client: docker.DockerClient) -> None:
    """Remove every image that the lab made here; one that something still uses stays."""
    for image in client.api.images(filters={"label": LABEL}):
        for tag in _tags(image) or [image["Id"]]:
            try:
                client.images.remove(tag)
            except APIError:
                continue
