"""What `lab nodes` says where the cluster is not the lab's own."""

import pytest
from click.testing import CliRunner

from lab.errors import LabError
from lab.inside.nodes import nodes


@pytest.mark.parametrize(
    ("cluster", "said"), [("none", "has no cluster"), ("current", "uses somebody's own cluster")]
)
def test_a_lab_without_a_cluster_of_its_own_has_no_nodes(
    cluster: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_CLUSTER", cluster)
    error = CliRunner().invoke(nodes, ["3"]).exception
    assert isinstance(error, LabError)
    assert said in error.what
