"""All attacks, by what they are on."""

from . import (
    cluster,
    content,
    engine,
    exhaustion,
    in_the_kernel,
    in_the_notebook,
    on_the_kernel,
    reach,
)
from .attack import Attack

GROUPS: dict[str, list[Attack]] = {
    "On the notebook": in_the_notebook.ATTACKS,
    "On the student's own process": in_the_kernel.ATTACKS,
    "On what drives it": on_the_kernel.ATTACKS,
    "On the engine": engine.ATTACKS,
    "On the cluster": cluster.ATTACKS,
    "On what others need": exhaustion.ATTACKS,
    "On what is somebody else's": reach.ATTACKS,
    "On files and on readers": content.ATTACKS,
}
ATTACKS = [attack for group in GROUPS.values() for attack in group]
