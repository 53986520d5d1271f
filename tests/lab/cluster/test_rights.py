"""What RBAC lets a user do, asked as kubectl asks for somebody else."""

import json
from collections.abc import Iterator

import pytest

from .conftest import Cluster

pytestmark = [pytest.mark.engine, pytest.mark.any_cluster, pytest.mark.timeout(120)]


@pytest.fixture
def changer(cleaned: Cluster) -> Iterator[str]:
    """A user who may change ConfigMaps, and may not make any."""
    cleaned.kubectl("create role changer --verb=get,patch --resource=configmaps")
    cleaned.kubectl("create rolebinding changer --role=changer --user=changer")
    yield "changer"
    cleaned.kubectl("delete role,rolebinding changer")


def test_apply_makes_what_is_not_there_only_for_those_who_may_create(
    cleaned: Cluster, changer: str
) -> None:
    cleaned.kubectl("create configmap there")
    applied = {
        name: cleaned.run(
            f"kubectl apply --server-side --as={changer} -f -",
            stdin=json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": name},
                    "data": {"a": "b"},
                }
            ),
        )
        for name in ("there", "not-there")
    }
    assert applied["there"].returncode == 0, applied["there"].stderr
    assert "(Forbidden)" in applied["not-there"].stderr
    assert "not-there" not in cleaned.kubectl("get configmaps -o name")
