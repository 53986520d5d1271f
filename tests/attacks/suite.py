"""All attacks, by what they are on."""

from types import ModuleType

import pytest

from ..suite.items import Item
from . import (
    by_user,
    cluster,
    content,
    engine,
    exhaustion,
    in_the_kernel,
    in_the_notebook,
    on_readers,
    on_the_guard,
    on_the_kernel,
    on_time,
    on_what_checks_believe,
    on_what_cluster_checks_believe,
    reach,
    without_limit,
)
from .attack import Attack

MODULES: dict[str, ModuleType] = {
    "On the notebook": in_the_notebook,
    "On the student's own process": in_the_kernel,
    "On what drives it": on_the_kernel,
    "On the engine": engine,
    "On the guard": on_the_guard,
    "On the cluster": cluster,
    "On what checks believe": on_what_checks_believe,
    "On what checks of a cluster believe": on_what_cluster_checks_believe,
    "On time limits": on_time,
    "On what others need": exhaustion,
    "On what the kernel counts by user": by_user,
    "On what has no limit of its own": without_limit,
    "On what is somebody else's": reach,
    "On files and on readers": content,
    "On whoever reads": on_readers,
}
GROUPS: dict[str, list[Attack]] = {title: module.ATTACKS for title, module in MODULES.items()}
ATTACKS = [attack for group in GROUPS.values() for attack in group]


def _items(module: ModuleType) -> dict[str, Item]:
    """What each attack proves, by its name. The first of a module runs always: authors begin with the plainest."""
    name = module.__name__.rpartition(".")[2]
    return {
        attack.name: Item("attack", f"{name}: {attack.name}", "by turns" if number else "always")
        for number, attack in enumerate(module.ATTACKS)
    }


ITEMS = {name: item for module in MODULES.values() for name, item in _items(module).items()}
the_class = pytest.mark.proves(
    *ITEMS.values()
)  # what holds of the whole class: none of them is proved without it
