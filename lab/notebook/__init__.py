"""What lessons use: `%load_ext lab.notebook` brings `%%shell` and these names."""

from typing import TYPE_CHECKING

from lab.notebook.availability import answer_plot, record_answers
from lab.notebook.buildsteps import build_diagram
from lab.notebook.cleanstart import clean_start
from lab.notebook.machines import own_nodes
from lab.notebook.magic import shell, uncovered
from lab.notebook.nodemap import node_map
from lab.notebook.objecttree import object_tree
from lab.notebook.overhearing import overhear
from lab.notebook.passed import say_passed
from lab.notebook.plots import layer_plot
from lab.notebook.prediction import outcome, predict
from lab.notebook.recording import record_events
from lab.notebook.section import section
from lab.notebook.selfcheck import quiz
from lab.notebook.sequence import sequence_diagram
from lab.notebook.stacks import stack_plot
from lab.notebook.states import state_diagram
from lab.notebook.task import check
from lab.notebook.topology import engine_map

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = [
    "answer_plot",
    "build_diagram",
    "check",
    "clean_start",
    "engine_map",
    "layer_plot",
    "node_map",
    "object_tree",
    "outcome",
    "overhear",
    "own_nodes",
    "predict",
    "quiz",
    "record_answers",
    "record_events",
    "section",
    "sequence_diagram",
    "stack_plot",
    "state_diagram",
    "writable_layer_plot",
]

# Lessons of version 0.1.0 call it so, and an update leaves a lesson alone that its reader changed.
writable_layer_plot = stack_plot

_NAMES = {name: globals()[name] for name in __all__}
_before: dict[str, bool] = {}


def load_ipython_extension(ipython: "InteractiveShell") -> None:
    """Register the magic, also below comments, name the functions, let a `!command` that fails fail
    its cell, and a check that is passed say so.
    """
    ipython.register_magic_function(shell, "line_cell", "shell")  # type: ignore[arg-type]
    if uncovered not in ipython.input_transformers_cleanup:
        ipython.input_transformers_cleanup.append(uncovered)
    if say_passed not in ipython.events.callbacks["post_run_cell"]:
        ipython.events.register("post_run_cell", say_passed)
    ipython.push(_NAMES, interactive=False)  # type: ignore[no-untyped-call]
    _before.setdefault("system_raise_on_error", ipython.system_raise_on_error)
    ipython.system_raise_on_error = True


def unload_ipython_extension(ipython: "InteractiveShell") -> None:
    """Undo what loading did."""
    for kind in ("line", "cell"):
        ipython.magics_manager.magics[kind].pop("shell", None)
    if uncovered in ipython.input_transformers_cleanup:
        ipython.input_transformers_cleanup.remove(uncovered)
    if say_passed in ipython.events.callbacks["post_run_cell"]:
        ipython.events.unregister("post_run_cell", say_passed)
    ipython.drop_by_id(_NAMES)  # type: ignore[no-untyped-call]
    ipython.system_raise_on_error = _before.pop("system_raise_on_error", False)
