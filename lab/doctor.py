"""Whether this machine can run the course; each finding says what to do about it."""

import os
import platform
import shutil
from dataclasses import asdict, dataclass
from typing import Literal

import docker
from docker.errors import DockerException
from docker.models.containers import Container
from rich.console import Console
from rich.table import Table

from lab import up as labs
from lab.build import template
from lab.build.base_image import hub_answers
from lab.course import ROOT
from lab.errors import LabError
from lab.machine import containers, joined_cluster
from lab.machine.host import connect
from lab.seat import NONE, OWN
from lab.version import describe

OLDEST_API = (1, 41)  # Docker 20.10: the first with private cgroup namespaces
MEMORY_GIB = 2.0  # JupyterLab, the engine and a lesson's containers: an estimate, not a measurement


@dataclass(frozen=True)
class Finding:
    """One thing examined: ok, note (works, with a caveat) or bad (the course cannot run)."""

    name: str
    state: Literal["ok", "note", "bad"]
    found: str
    todo: str = ""

    def as_json(self) -> dict[str, str]:
        """The finding as an element of ``doctor --json``."""
        return asdict(self)


def examine() -> list[Finding]:
    """All findings about this machine; nothing is changed or started."""
    findings = [Finding("course", "ok", f"version {describe()}"), _memory(), _disk()]
    try:
        client = connect()
    except LabError as error:
        return [*findings, Finding("engine", "bad", error.what, error.hint)]
    return [*findings, *_engine(client), _hub(client), *_lab(client)]


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


def _disk() -> Finding:
    free = shutil.disk_usage(ROOT).free / 2**30
    if free < labs.FREE_GIB:
        return Finding(
            "disk",
            "bad",
            f"{free:.1f} GiB free",
            f"free some space: the lab needs {labs.FREE_GIB} GiB while it is built",
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
    if not listing:
        return Finding("course images", "ok", f"{', '.join(template.names())} (from Docker Hub)")
    return Finding(
        "course images",
        "note",
        "stand-ins: " + ", ".join(sorted(listing)),
        "nothing: the lessons and exercises work with them; `apk add` and the like do not",
    )


def show(findings: list[Finding]) -> None:
    """Print the findings as a table."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "", "found", "what to do"):
        table.add_column(heading, overflow="fold")
    mark = {"ok": "[green]✓[/]", "note": "[yellow]•[/]", "bad": "[bold red]✗[/]"}
    for finding in findings:
        table.add_row(mark[finding.state], finding.name, finding.found, finding.todo)
    Console(highlight=False).print(table)
