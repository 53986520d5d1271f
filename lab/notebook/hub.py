"""What to say where an image is not there because this lab does not reach Docker Hub."""

import json
import re
import socket
import urllib.request

# as the engine, `docker build` and `docker compose` name the image that they did not get
NOT_THERE = (
    re.compile(r"manifest for (\S+) not found"),
    re.compile(r"pull access denied for ([^\s,]+)"),
    re.compile(r"failed to resolve source metadata for (\S+?):? "),
)
HUB = "registry-1.docker.io"
REGISTRY = "http://localhost:5000/v2"
SECONDS = 3.0
OFFICIAL = "library/"


def missing_image(printed: str) -> str | None:
    """Which images and tags there are in place of the one that a command did not get; None where
    that is not what happened, or Docker Hub itself has answered.
    """
    named = next((found[1] for form in NOT_THERE if (found := form.search(printed))), None)
    if named is None or not _is_played():
        return None
    repository, _, _ = named.removeprefix("docker.io/").removeprefix(OFFICIAL).partition(":")
    said = "Docker Hub is not reached from this lab, which has "
    tags = _ask(f"{OFFICIAL}{repository}/tags/list", "tags")
    if tags:
        return f"{said}of `{repository}` the tags {', '.join(sorted(tags))}: take one of these."
    known = official_images()
    return f"{said}no `{repository}`. It has {', '.join(sorted(known))}." if known else None


def official_images() -> list[str]:
    """Names of the images that the lab's registry has as Docker Hub's; none where it has no
    registry, or that does not answer.
    """
    return [
        name.removeprefix(OFFICIAL)
        for name in _ask("_catalog", "repositories")
        if name.startswith(OFFICIAL)
    ]


def _is_played() -> bool:
    try:
        return socket.gethostbyname(HUB).startswith("127.")
    except OSError:
        return False


def _ask(path: str, field: str) -> list[str]:
    try:
        with urllib.request.urlopen(f"{REGISTRY}/{path}", timeout=SECONDS) as answer:  # noqa: S310  (http)
            return [str(one) for one in json.load(answer).get(field) or []]
    except (OSError, ValueError):
        return []
