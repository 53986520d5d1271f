"""How the lab is at this moment: its engine, the course images, the cluster.

Asked from JupyterLab's process in the lab's container, as a reader's own commands would ask.
"""

import json
import os
import subprocess
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import docker
from docker.errors import DockerException

from lab.cluster.model.objects import is_true
from lab.finding import Finding, course_images
from lab.notebook.hub import official_images

SECONDS = 5  # for each answer; what takes longer does not answer
STAND_IN = "course.stand-in"  # label of an image built from Debian packages
RESET = "run `bin/lab reset` on your machine: a fresh engine; your work and progress are kept"
SOON = f"open this page again in a few seconds; if it stays so, {RESET}"


def examine() -> list[Finding]:
    """Engine, images and cluster; takes some ten seconds at most, when nothing answers."""
    with ThreadPoolExecutor() as pool:
        parts: list[Callable[[], list[Finding]]] = [_engine_and_images, _cluster]
        return [finding for found in pool.map(lambda part: part(), parts) for finding in found]


def _engine_and_images() -> list[Finding]:
    try:
        with closing(docker.from_env(timeout=SECONDS)) as client:
            version = client.version()["Version"]
            images = client.api.images()
    except (DockerException, OSError):
        return [Finding("engine", "bad", "the Docker engine does not answer", SOON)]
    return [Finding("engine", "ok", f"Docker {version} answers"), _images(images)]


def _images(images: Iterable[Mapping[str, Any]]) -> Finding:
    """What the engine has of the course images, by their labels."""
    if "LAB_LABEL" in os.environ:  # a lab on the machine's own engine has no registry
        found = "those that your machine's engine has or can pull"
        return Finding("course images", "ok", found)
    known = official_images()
    if not known:
        return Finding("course images", "bad", "the lab's registry does not answer", SOON)
    labels = {
        tag: image.get("Labels") or {} for image in images for tag in image.get("RepoTags") or ()
    }
    ours = {tag: each for tag, each in labels.items() if tag.rpartition(":")[0] in known}
    stand_ins = {tag for tag, each in ours.items() if each.get(STAND_IN) == "true"}
    finding = course_images(stand_ins, ours.keys() - stand_ins)
    missing = sorted(set(known) - {tag.rpartition(":")[0] for tag in ours})
    if not missing:
        return finding
    pull = ", ".join(f"`docker pull {name}`" for name in missing)
    return Finding(
        finding.name,
        "note",
        f"{finding.found}; removed: {', '.join(missing)}",
        f"to have again what was removed: {pull}",
    )


def _cluster() -> list[Finding]:
    kind = os.environ.get("LAB_CLUSTER", "none")
    if kind == "none":
        found = "none: a lab on the machine's own engine cannot have its own"
        return [
            Finding("cluster", "note", found, "`bin/lab up --cluster current`, if you have one")
        ]
    where = "the lab's own" if kind == "own" else "the one that this lab has joined"
    context = _kubectl("config", "current-context").stdout.strip()
    if context:
        where += f" (context {context})"
    asked = _kubectl("get", "nodes", "--output=json", f"--request-timeout={SECONDS}s")
    if "(Forbidden)" in asked.stderr:  # so it answers
        return [Finding("cluster", "ok", f"{where}: answers; its nodes are not yours to list")]
    try:
        nodes = json.loads(asked.stdout)["items"]
    except (ValueError, KeyError):
        said = asked.stderr.strip().splitlines() or ["kubectl said nothing"]
        todo = SOON if kind == "own" else "`bin/lab doctor` on your machine says more"
        return [Finding("cluster", "bad", f"{where}: does not answer. {said[-1]}", todo)]
    ready = sum(is_true(node, "Ready") for node in nodes)
    finding = f"{where}: {ready} of {len(nodes)} node{'' if len(nodes) == 1 else 's'} ready"
    if nodes and ready == len(nodes):
        return [Finding("cluster", "ok", finding)]
    return [Finding("cluster", "note", finding, "`kubectl describe nodes` says why")]


def _kubectl(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["kubectl", *arguments]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=2 * SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", f"kubectl: {error}")
