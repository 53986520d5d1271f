"""The lab's main process, on engines that give a container more than others do."""

import time
from collections.abc import Iterator
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from lab.build import image as images
from lab.build.base_image import hub_answers
from lab.course import LABEL, NAME
from lab.machine import containers
from lab.machine.host import ensure_engine
from lab.seat import Seat

pytestmark = [pytest.mark.machine, pytest.mark.timeout(600)]

# as Docker has it from 26.0 on; older engines set these to 1
IPV6 = {f"net.ipv6.conf.{part}.disable_ipv6": "0" for part in ("all", "default", "lo")}
ADDRESSES = ["ip", "-6", "addr", "show", "dev", "lo"]


@pytest.fixture
def client() -> docker.DockerClient:
    return ensure_engine()


@pytest.fixture
def image(client: docker.DockerClient) -> str:
    return images.ensure_lab_image(client, hub=hub_answers(client))


@pytest.fixture
def started(
    client: docker.DockerClient, image: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Container]:
    """A container of the lab as it is on an engine that gives it ::1."""
    create = client.api.create_container_from_config

    def with_ipv6(config: dict[str, Any], *more: Any) -> Any:
        config["HostConfig"]["Sysctls"] = IPV6
        return create(config, *more)

    monkeypatch.setattr(client.api, "create_container_from_config", with_ipv6)
    name = f"{NAME}-test-ipv6"
    volume = client.volumes.create(name, labels={LABEL: name})
    container = containers.start(
        client, Seat(name, image, mode="template", template=name, hub=False)
    )
    yield container
    container.remove(force=True, v=True)
    volume.remove(force=True)


def test_the_lab_has_no_ipv6_loopback_where_the_engine_gives_one(
    client: docker.DockerClient, image: str, started: Container
) -> None:
    given = client.containers.run(image, ADDRESSES, sysctls=IPV6, remove=True)
    assert b"inet6 ::1" in given, "this engine gives none, so nothing would be shown"
    deadline = time.monotonic() + 120
    while b" ready" not in started.logs():
        started.reload()
        assert started.status == "running", started.logs().decode()
        assert time.monotonic() < deadline, started.logs().decode()
        time.sleep(0.2)
    assert containers.run(started, ADDRESSES) == containers.Output(0, "")
