"""Strategic merge patches and server-side apply, on the real schemas."""

import pytest

pytest.importorskip("kubernetes_validate")

from lab.cluster.model.errors import APIError
from lab.cluster.model.schema import Schemas
from lab.cluster.registry import managedfields, patch

SCHEMAS = Schemas()
POD, DEPLOYMENT = SCHEMAS.of_kind("", "v1", "Pod"), SCHEMAS.of_kind("apps", "v1", "Deployment")
WALK = managedfields.FieldWalk(SCHEMAS)


def two_containers() -> dict:
    return {"spec": {"containers": [{"name": "a", "image": "one"}, {"name": "b", "image": "two"}]}}


def test_containers_are_merged_by_name() -> None:
    changed = patch.strategic(
        SCHEMAS, two_containers(), {"spec": {"containers": [{"name": "b", "image": "three"}]}}, POD
    )
    assert changed["spec"]["containers"] == [
        {"name": "a", "image": "one"},
        {"name": "b", "image": "three"},
    ]


def test_directive_deletes_one_container() -> None:
    changed = patch.strategic(
        SCHEMAS,
        two_containers(),
        {"spec": {"containers": [{"name": "a", "$patch": "delete"}]}},
        POD,
    )
    assert [c["name"] for c in changed["spec"]["containers"]] == ["b"]


def test_new_item_goes_where_the_order_says() -> None:
    wanted = {
        "spec": {
            "$setElementOrder/containers": [{"name": "a"}, {"name": "c"}, {"name": "b"}],
            "containers": [{"name": "c"}],
        }
    }
    changed = patch.strategic(SCHEMAS, two_containers(), wanted, POD)
    assert [c["name"] for c in changed["spec"]["containers"]] == ["a", "c", "b"]


def test_null_removes_and_plain_lists_are_replaced() -> None:
    pod = {"spec": {"nodeName": "n", "containers": [{"name": "a", "command": ["x", "y"]}]}}
    changed = patch.strategic(
        SCHEMAS,
        pod,
        {"spec": {"nodeName": None, "containers": [{"name": "a", "command": ["z"]}]}},
        POD,
    )
    assert changed == {"spec": {"containers": [{"name": "a", "command": ["z"]}]}}


def applied(live: dict, replicas: int, manager: str, *, force: bool = False) -> dict:
    config = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"replicas": replicas},
    }
    return managedfields.apply(WALK, live, config, DEPLOYMENT, manager, force=force)


def test_apply_refuses_to_change_what_another_manager_owns() -> None:
    live = applied({}, 1, "one")
    with pytest.raises(APIError, match=r'conflict with "one": \.spec\.replicas'):
        applied(live, 2, "two")


def test_force_takes_the_field_over() -> None:
    live = applied(applied({}, 1, "one"), 2, "two", force=True)
    assert live["spec"]["replicas"] == 2
    assert [entry["manager"] for entry in live["metadata"]["managedFields"]] == ["two"]


def test_same_value_is_owned_together() -> None:
    live = applied(applied({}, 1, "one"), 1, "two")
    assert {entry["manager"] for entry in live["metadata"]["managedFields"]} == {"one", "two"}
