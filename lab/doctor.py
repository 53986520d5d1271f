"""Whether this machine can run the course; each finding says what to do about it."""

import os
import platform
import shutil
from datetime import UTC, datetime

import docker
from docker.errors import DockerException
from docker.models.containers import Container
from rich.console import Console
from rich.table import Table

from lab import up as labs
from lab.build import image as images
from lab.build import template
from lab.build.base_image import hub_answers
from lab.course import ROOT
from lab.errors import LabError
from lab.finding import Finding, course_images
from lab.inside.sandbox_engine import OLDEST_LINUX, grades
from lab.machine import containers, joined_cluster
from lab.machine.host import connect
from lab.seat import NONE, OWN
from lab.version import describe

IMAGE_DAYS = 90
OLDEST_API = (1, 41)  # Docker 20.10: the first with private cgroup namespaces
MEMORY_GIB = 2.0  # JupyterLab, the engine and a lesson's containers: an estimate, not a measurement


def examine() -> list[Finding]:
    """All findings about this machine; nothing is changed or started."""
    findings = [Finding("course", "ok", f"version {describe()}"), _memory()]
    try:
        client = connect()
    except LabError as error:
        return [*findings, _disk(labs.FREE_GIB), Finding("engine", "bad", error.what, error.hint)]
    findings += [_disk(labs.space_needed(client, labs.Lab())), *_engine(client), _hub(client)]
    return [*findings, *_image(client), *_lab(client)]


def _image(client: docker.DockerClient) -> list[Finding]:
    """How old the packages of the lab image are: Debian mends the engine's meanwhile."""
    since = images.packages_since(client, images.image_name())
    if since is None:
        return []  # the next `bin/lab up` makes it
    days = (datetime.now(UTC) - since).days
    if days <= IMAGE_DAYS:
        return [Finding("lab image", "ok", f"its packages are {days} days old")]
    return [
        Finding(
            "lab image",
            "note",
            f"its packages are {days} days old: Debian has mended some of them since",
            "bin/lab down --all, then bin/lab up, which makes it again; your files stay",
        )
    ]


def _memory() -> Finding:
    if not hasattr(os, "sysconf") or platform.system() != "Linux":
        return Finding(
            "memory",
            "note",
            "not measured on this system",
            f"give Docker's virtual machine at least {MEMORY_GIB:.0f} GiB",
        )
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    if gib < MEMORY_GIB:
        return Finding("memory", "bad", f"{gib:.1f} GiB", f"the lab needs {MEMORY_GIB:.0f} GiB")
    return Finding("memory", "ok", f"{gib:.1f} GiB")


def _disk(needed: float) -> Finding:
    free = shutil.disk_usage(ROOT).free / 2**30
    if free < needed:
        return Finding(
            "disk",
            "bad",
            f"{free:.1f} GiB free",
            f"free some space: what is still to be made needs {needed:.1f} GiB",
        )
    return Finding("disk", "ok", f"{free:.1f} GiB free")


def _engine(client: docker.DockerClient) -> list[Finding]:
    version, info = client.version(), client.info()
    api = version["ApiVersion"]
    old = tuple(int(part) for part in api.split(".")) < OLDEST_API
    findings = [
        Finding("engine", "ok", f"Docker {version['Version']} on {info['OperatingSystem']}"),
        Finding(
            "api", "bad" if old else "ok", api, "update Docker to 20.10 or newer" if old else ""
        ),
        Finding("cgroups", "ok", f"version {info.get('CgroupVersion', '1')}"),
        _linux(info["KernelVersion"]),
    ]
    if info["Driver"] not in {"overlay2", "overlayfs"}:
        findings.append(
            Finding("storage", "note", info["Driver"], "overlay2 is faster and smaller")
        )
    if any("rootless" in option for option in info.get("SecurityOptions", [])):
        findings.append(
            Finding(
                "rootless",
                "note",
                "the machine's engine is rootless",
                "an engine inside the lab may be refused; if so, use bin/lab up --engine host",
            )
        )
    return findings


def _linux(release: str) -> Finding:
    if grades(release):
        return Finding("linux", "ok", release)
    return Finding("linux", "note", release, f"update the system to grade: Linux {OLDEST_LINUX}")


def _hub(client: docker.DockerClient) -> Finding:
    if hub_answers(client):
        return Finding("docker hub", "ok", "answers")
    return Finding(
        "docker hub",
        "note",
        "does not answer",
        "nothing: the course images are stand-ins built from Debian packages, under the usual"
        " names",
    )


def _lab(client: docker.DockerClient) -> list[Finding]:
    container = containers.find(client, labs.Lab().name)
    if container is None:
        return [Finding("lab", "note", "not running", "bin/lab up")]
    if container.status != "running":
        return [
            Finding(
                "lab",
                "note",
                f"its container is {container.status}",
                "bin/lab up restarts it; your work is kept",
            )
        ]
    cluster = joined_cluster.status(client, labs.Lab().name, container)
    return [Finding("lab", "ok", "running"), *_inside(container), _cluster(cluster)]


def _cluster(cluster: joined_cluster.Cluster) -> Finding:
    words = joined_cluster.describe(cluster)
    if cluster.kind == NONE:
        return Finding(
            "cluster",
            "note",
            words,
            "bin/lab up --engine own, or --cluster current if you have one",
        )
    if cluster.ready:
        return Finding("cluster", "ok", words)
    todo = (
        "bin/lab reset"
        if cluster.kind == OWN
        else f"kubectl --context {cluster.context} get namespaces"
    )
    return Finding("cluster", "bad", words, todo)


def _inside(container: Container) -> list[Finding]:
    asked = {
        "lab engine": ["docker", "version", "--format", "Docker {{.Server.Version}}"],
        "buildx": ["docker", "buildx", "version"],
        "compose": ["docker", "compose", "version", "--short"],
        "kubectl": ["kubectl", "version", "--client"],
    }
    findings = []
    for name, command in asked.items():
        answer = containers.run(container, command)
        text = answer.text.strip().splitlines()[0] if answer.text.strip() else ""
        findings.append(
            Finding(
                name,
                "ok" if answer.exit_code == 0 else "bad",
                text,
                "" if answer.exit_code == 0 else "bin/lab reset",
            )
        )
    try:
        findings.append(_stand_ins(container))
    except DockerException as error:
        findings.append(Finding("course images", "bad", str(error), "bin/lab reset"))
    return findings


def _stand_ins(container: Container) -> Finding:
    listing = containers.run(
        container,
        [
            "docker",
            "images",
            "--filter",
            "label=course.stand-in=true",
            "--format",
            "{{.Repository}}:{{.Tag}}",
        ],
    ).text.split()
    return course_images(listing, [] if listing else template.names())


def show(findings: list[Finding]) -> None:
    """Print the findings as a table."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "", "found", "what to do"):
        table.add_column(heading, overflow="fold")
    mark = {"ok": "[green]✓[/]", "note": "[yellow]•[/]", "bad": "[bold red]✗[/]"}
    for finding in findings:
        table.add_row(mark[finding.state], finding.name, finding.found, finding.todo)
    Console(highlight=False).print(table)
