"""The contract of a lab container: what Docker is told, and what is read back from it."""

import re
from dataclasses import replace
from typing import Any

import pytest

from lab import seat as contract
from lab.course import ROOT
from lab.seat import Mode, Seat

STUDENT = Seat(
    "docker-course-1",
    "docker-course/lab:abc",
    workspace="/home/ada/workspace",
    port=8888,
    cluster="own",
    user=(1001, 1002),
    token="secret",
    hub=False,
    data="docker-course-1-engine",
    template="docker-course-template-stand-ins-123",
)
INSTRUCTOR = replace(STUDENT, instructor=True, checkout="/srv/course", cluster="current")
HOST = replace(
    STUDENT, mode="host", hub=None, data=None, template=None, machine_socket="/run/docker.sock"
)
TEMPLATE = Seat("builder", "docker-course/lab:abc", mode="template", template="volume", hub=True)
LIMITED = replace(STUDENT, memory=2 << 30)


def inspected(seat: Seat) -> dict[str, Any]:
    """What ``docker inspect`` says of a container that was created from the seat."""
    body = seat.to_docker()
    config = {key: value for key, value in body.items() if key != "HostConfig"}
    return {"Name": f"/{seat.name}", "Config": config, "HostConfig": body["HostConfig"]}


@pytest.mark.parametrize("seat", [STUDENT, INSTRUCTOR, HOST, LIMITED], ids=lambda seat: seat.mode)
def test_a_seat_is_read_back_whole(seat: Seat) -> None:
    assert vars(Seat.from_docker(inspected(seat))) == vars(seat)


def test_a_template_is_read_back_by_what_it_has() -> None:
    found = Seat.from_docker(inspected(TEMPLATE))
    assert (found.mode, found.template, found.hub) == ("template", "volume", True)


def test_only_an_engine_inside_gets_more_rights() -> None:
    own, host = STUDENT.to_docker()["HostConfig"], HOST.to_docker()["HostConfig"]
    assert own["CapAdd"] == ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"]
    assert "Privileged" not in own
    assert {"CapAdd", "SecurityOpt", "MaskedPaths"} & set(host) == set()
    assert host["NetworkMode"] == "host"


def test_jupyterlab_is_published_on_the_loopback_alone() -> None:
    ports = STUDENT.to_docker()["HostConfig"]["PortBindings"]
    assert ports == {"8888/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8888"}]}
    assert HOST.environment()["LAB_ADDRESS"] == "127.0.0.1"


def test_nothing_of_the_machine_is_mounted_but_the_workspace() -> None:
    folders = [bind for bind in STUDENT.to_docker()["HostConfig"]["Binds"] if bind[0] == "/"]
    assert folders == ["/home/ada/workspace:/home/student/workspace:rw"]


def test_hub_names_lead_inside_unless_docker_hub_answers() -> None:
    hosts = STUDENT.to_docker()["HostConfig"]["ExtraHosts"]
    assert "registry-1.docker.io:127.0.0.1" in hosts
    assert replace(STUDENT, hub=True).to_docker()["HostConfig"]["ExtraHosts"] == []


def test_the_instructors_lab_runs_the_checkouts_own_modules() -> None:
    assert INSTRUCTOR.environment()["PYTHONPATH"] == INSTRUCTOR.folder == "/home/student/course"
    assert "PYTHONPATH" not in STUDENT.environment()


@pytest.mark.parametrize(
    "other",
    [
        {"image": "docker-course/lab:def"},
        {"workspace": "/home/ada/other"},
        {"port": 9000},
        {"mode": "host"},
        {"cluster": "current"},
    ],
    ids=str,
)
def test_another_seat_is_wanted(other: dict[str, Any]) -> None:
    assert Seat.from_docker(inspected(STUDENT)) != replace(STUDENT, **other)


def test_a_new_token_or_template_is_no_reason_to_start_again() -> None:
    wanted = replace(STUDENT, token="another", template="docker-course-template-hub-9")
    assert Seat.from_docker(inspected(STUDENT)) == wanted


@pytest.mark.parametrize("mode", ["lab", "host"])
def test_the_token_is_shown_nowhere_but_in_the_environment(mode: Mode) -> None:
    seat = replace(HOST if mode == "host" else STUDENT)
    body = seat.to_docker()
    assert "JUPYTER_TOKEN=secret" in body.pop("Env")
    assert "secret" not in str(body)
    assert "secret" not in repr(seat)


def test_all_that_the_container_reads_is_given_to_it() -> None:
    inside = [ROOT / "lab" / "inside" / "start", *(ROOT / "lab/inside/jupyter").glob("*.py")]
    text = "\n".join(path.read_text() for path in inside)
    read = set(re.findall(r"\b(?:LAB_[A-Z]+(?:_[A-Z]+)*|JUPYTER_TOKEN|KUBECONFIG)\b", text))
    seats = (STUDENT, INSTRUCTOR, HOST)
    assert read <= {name for seat in seats for name in seat.environment()}


def test_the_container_finds_things_where_they_are_mounted() -> None:
    start = (ROOT / "lab" / "inside" / "start").read_text()
    for path in (
        contract.DATA,
        contract.TEMPLATE,
        contract.MACHINE_SOCKET,
        contract.CLUSTER_FOLDER,
    ):
        assert re.search(rf"{path}\b", start), path
