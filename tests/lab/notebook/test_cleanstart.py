"""A lesson starts clean, on a real engine and a real cluster."""

import json
import subprocess

import docker
import pytest

from .conftest import RunCell

pytestmark = pytest.mark.engine


def listed(*command: str) -> set[str]:
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def containers(mark: str) -> set[str]:
    return listed("docker", "ps", "-a", "--filter", f"name={mark}", "--format", "{{.Names}}")


def test_what_lessons_left_goes_and_all_else_stays(cell: RunCell, mark: str) -> None:
    build = f"printf 'FROM busybox\\nLABEL lesson=%s\\n' 4{{}} | docker build -q -t {mark}:{{}} -"
    made = [
        f"docker network create --label lesson=41 {mark}-net",
        f"docker volume create --label lesson=41 {mark}-data",
        f"docker create --name {mark}-left -l lesson=41 --network {mark}-net busybox",
        f"docker run -d --name {mark}-runs -l lesson=42 -v {mark}-data:/d busybox sleep 600",
        f"docker create --name {mark}-mine -l exercise=00 busybox",
        build.format(2, "own"),
        build.format(1, "other"),
    ]
    assert not cell("%%shell\n" + "\n".join(made)).error
    ran = cell('clean_start("42")')
    assert (ran.output, ran.error) == ("", None)
    assert containers(mark) == {f"{mark}-mine"}
    assert f"{mark}-net" not in listed("docker", "network", "ls", "--format", "{{.Name}}")
    assert f"{mark}-data" not in listed("docker", "volume", "ls", "-q")
    images = listed("docker", "images", "--format", "{{.Repository}}:{{.Tag}}")
    assert f"{mark}:own" not in images
    assert f"{mark}:other" in images
    cell(f"%%shell\ndocker rm -f {mark}-mine; docker rmi {mark}:other")


def test_on_the_machines_own_engine_only_what_is_this_labs_goes(
    cell: RunCell, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's work may carry the label of a lesson, too."""
    monkeypatch.setenv("LAB_LABEL", f"test.lab={mark}")
    build = (
        f"printf 'FROM busybox\\nLABEL lesson={mark} {{}}\\n' | docker build -q -t {mark}:{{}} -"
    )
    made = [
        f"docker network create --label lesson={mark} {mark}-net",
        f"docker volume create --label lesson={mark} {mark}-data",
        f"docker create --name {mark}-theirs -l lesson={mark} busybox",
        f"docker create --name {mark}-ours -l lesson={mark} -l test.lab={mark} busybox",
        build.format("test=theirs", "theirs"),
        build.format(f"test.lab={mark}", "ours"),
    ]
    assert not cell("%%shell\n" + "\n".join(made)).error
    ran = cell(f'clean_start("{mark}")')
    assert (ran.output, ran.error) == ("", None)
    assert containers(mark) == {f"{mark}-theirs"}
    assert f"{mark}-net" in listed("docker", "network", "ls", "--format", "{{.Name}}")
    assert f"{mark}-data" in listed("docker", "volume", "ls", "-q")
    images = listed("docker", "images", "--format", "{{.Repository}}:{{.Tag}}")
    assert f"{mark}:theirs" in images
    assert f"{mark}:ours" not in images


def test_what_has_a_name_or_a_port_of_the_lesson_is_put_aside_and_kept(
    cell: RunCell, mark: str, engine: docker.DockerClient
) -> None:
    run = f"docker run -d --restart always --name {mark}"
    made = [
        f"{run}-web busybox sleep 600",
        f"{run}-port -p 18642:80 busybox sleep 600",
        f"{run}-else -p 18643:80 busybox sleep 600",
        f"docker exec {mark}-web touch /work",
    ]
    assert not cell("%%shell\n" + "\n".join(made)).error
    ran = cell(f'clean_start("42", names=["{mark}-web"], ports=[18642])')
    assert ran.error is None
    assert f"The container {mark}-web was in the way" in ran.output
    assert f"The container {mark}-port was in the way" in ran.output
    found = {
        str(each.name): each for each in engine.containers.list(all=True) if mark in str(each.name)
    }
    assert f"{mark}-web" not in found
    assert found[f"{mark}-else"].status == "running"
    aside = next(name for name in found if name.startswith(f"{mark}-web-"))
    assert found[aside].status == "exited"
    assert not cell(
        f"%%shell\ndocker run -d --name {mark}-web -p 18642:80 busybox true > /dev/null\n"
        f"docker cp {aside}:/work - > /dev/null"
    ).error
    for name in containers(mark):
        engine.containers.get(name).remove(force=True)


def test_objects_of_lessons_go_from_the_cluster(cell: RunCell, mark: str) -> None:
    get = ["kubectl", "get", "configmaps", "-o", "name"]
    assert not cell(
        f"%%shell\nkubectl create configmap {mark}-mine > /dev/null\n"
        f"kubectl create configmap {mark}-left > /dev/null\n"
        f"kubectl label configmap {mark}-left lesson=41 > /dev/null\n"
    ).error
    assert cell('clean_start("42")').error is None
    assert f"configmap/{mark}-left" in listed(*get)
    ran = cell('clean_start("42", cluster=True)')
    assert (ran.output, ran.error) == ("", None)
    assert f"configmap/{mark}-left" not in listed(*get)
    assert f"configmap/{mark}-mine" in listed(*get)
    cell(f"%%shell\nkubectl delete configmap {mark}-mine")


@pytest.mark.timeout(300)
def test_a_lesson_that_was_left_with_a_node_switched_off_is_cleared_away(
    cell: RunCell, mark: str
) -> None:
    pinned = {"spec": {"template": {"spec": {"nodeSelector": {"kubernetes.io/hostname": "lab-2"}}}}}
    made = [
        "lab nodes 3 > /dev/null",
        f"kubectl create deployment {mark} --image=busybox -- sleep 600",
        f"kubectl label deployment {mark} lesson=41",
        f"kubectl patch deployment {mark} --patch '{json.dumps(pinned)}'",
        f"kubectl rollout status deployment {mark}",
        "lab nodes --off lab-2 > /dev/null",
    ]
    assert not cell("%%shell\n" + "\n".join(made)).error
    ran = cell('clean_start("42", cluster=True)')
    assert ran.error is None
    assert ran.output == "The cluster has one node again; lab-2, lab-3 had been added.\n"
    assert len(listed("kubectl", "get", "nodes", "-o", "name")) == 1
    assert f"deployment.apps/{mark}" not in listed("kubectl", "get", "deployments", "-o", "name")
    assert containers(mark) == set()
