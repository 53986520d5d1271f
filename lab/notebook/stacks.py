"""Containers as stacks of layers: read-only ones of images, a writable one on top of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.notebook.engine import engine, short_image
from lab.notebook.errors import LessonError
from lab.notebook.names import shown_names
from lab.notebook.plots import Plot, instruction, shorten
from lab.notebook.sizes import human_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_READ_ONLY, _WRITABLE = "#cfe8fa", "#fdebc8"  # light: the text on them is black
_WIDTH_INCHES, _ROW_INCHES = 8.0, 0.36
_CHARACTERS = 100  # as many fit into the whole width
_THIN = 0.6  # height of a writable layer, of one row
_TITLE = "Layers from top to bottom: a writable one for each container, read-only ones below"


@dataclass(frozen=True)
class Layer:
    """A read-only layer, the instruction that made it, and its size in bytes if it is known."""

    digest: str
    text: str
    size: int | None


@dataclass(frozen=True)
class Stack:
    """A container: its image's layers from the base up, and the bytes that it wrote itself."""

    name: str
    layers: tuple[Layer, ...]
    written: int


@dataclass(frozen=True)
class Box:
    """A layer as it is drawn: `row` counts from the base, `of` are the containers that have it."""

    row: int
    of: tuple[str, ...]
    text: str
    writable: bool = False


def stack_plot(*containers: str) -> Plot:
    """Plot the layers of containers; a layer that several of them share is one box.

    Raises LessonError for a container that is not on the engine.

    >>> stack_plot("one", "two")
    """
    if not containers:
        raise LessonError('No container was named.\nTry: stack_plot("one", "two")')
    with engine() as client:
        found = client.api.containers(all=True, size=True)
        names = shown_names(
            (each["Id"], each["Names"][0].lstrip("/"), short_image(each["Image"])) for each in found
        )
        by_name = {names[each["Id"]]: each for each in found}
        missing = [name for name in containers if name not in by_name]
        if missing:
            raise LessonError(f"No container is called {missing[0]!r}.\nTry: docker ps -a")
        boxes = list(boxes_of([_stack(client, name, by_name[name]) for name in containers]))
    return _plot(boxes)


def _stack(client: Any, name: str, container: dict[str, Any]) -> Stack:
    image = container["ImageID"]
    digests = client.api.inspect_image(image)["RootFS"]["Layers"]
    history = [
        (instruction(entry["CreatedBy"] or ""), entry["Size"])
        for entry in reversed(client.api.history(image))
    ]
    return Stack(name, layers_of(digests, history), container.get("SizeRw", 0))


def layers_of(digests: Sequence[str], history: Sequence[tuple[str, int]]) -> tuple[Layer, ...]:
    """An image's layers, from the base up, with what its history says: (instruction, bytes).

    The history does not say which instructions made a layer. If the number of those that can is
    not the number of layers, nothing is said about them.

    >>> layers_of(["a", "b"], [("COPY / /", 9), ('CMD ["sh"]', 0), ("RUN true", 0)])
    (Layer(digest='a', text='COPY / /', size=9), Layer(digest='b', text='RUN true', size=0))
    >>> layers_of(["a"], [("COPY / /", 9), ("RUN true", 0)])
    (Layer(digest='a', text='a layer', size=None),)
    """
    makers = [
        (text, size)
        for text, size in history
        if size or text.split(" ")[0] in {"ADD", "COPY", "RUN", "WORKDIR"}
    ]
    if len(makers) != len(digests):
        return tuple(Layer(digest, "a layer", None) for digest in digests)
    return tuple(Layer(digest, *made) for digest, made in zip(digests, makers, strict=True))


def boxes_of(stacks: Sequence[Stack], row: int = 0) -> Iterator[Box]:
    """The boxes of stacks that are the same below `row`, in an order that keeps sharers together.

    >>> base, top = Layer("a", "COPY / /", 9), Layer("b", "RUN true", 0)
    >>> for box in boxes_of([Stack("one", (base, top), 5), Stack("two", (base,), 0)]):
    ...     print(box.row, box.of, box.text)
    0 ('one', 'two') 9B  COPY / /
    1 ('two',) 0B  two
    1 ('one',) 0B  RUN true
    2 ('one',) 5B  one
    """
    for stack in stacks:
        if len(stack.layers) == row:
            yield Box(row, (stack.name,), _line(stack.written, stack.name), writable=True)
    higher: dict[str, list[Stack]] = {}
    for stack in stacks:
        if len(stack.layers) > row:
            higher.setdefault(stack.layers[row].digest, []).append(stack)
    for sharing in higher.values():
        layer = sharing[0].layers[row]
        names = tuple(stack.name for stack in sharing)
        yield Box(row, names, _line(layer.size, shorten(layer.text)))
        yield from boxes_of(sharing, row + 1)


def _line(size: int | None, text: str) -> str:
    return text if size is None else f"{human_size(size)}  {text}"


def as_text(boxes: Sequence[Box]) -> str:
    """The same boxes in words, from top to bottom.

    >>> print(as_text([Box(0, ("one", "two"), "9B  COPY / /"), Box(1, ("one",), "5B  one", True)]))
    Layers from top to bottom: a writable one for each container, read-only ones below
      writable   5B  one
      read-only  9B  COPY / /  (of one, two)
    """
    lines = [_TITLE]
    for box in sorted(boxes, key=lambda box: (not box.writable, -box.row)):
        kind, of = (
            ("writable", "") if box.writable else ("read-only", f"  (of {', '.join(box.of)})")
        )
        lines.append(f"  {kind:9}  {box.text}{of}")
    return "\n".join(lines)


def _plot(boxes: Sequence[Box]) -> Plot:
    # Importing matplotlib takes as long as everything else here: only when something is plotted.
    from matplotlib.figure import Figure

    columns = [box.of[0] for box in boxes if box.writable]
    rows = 1 + max(box.row for box in boxes)
    figure = Figure(figsize=(_WIDTH_INCHES, _ROW_INCHES * rows + 0.5), layout="constrained")
    axis = figure.subplots()
    for box in boxes:
        _draw(axis, box, columns)
    axis.set_xlim(0, len(columns))
    axis.set_ylim(-0.05, rows)
    axis.set_title(_TITLE, loc="left", fontsize=11)
    axis.set_axis_off()
    return Plot(figure, as_text(boxes))


def _draw(axis: "Axes", box: Box, columns: Sequence[str]) -> None:
    from matplotlib.patches import Rectangle

    left, width = min(columns.index(name) for name in box.of), len(box.of)
    height, colour = (_THIN, _WRITABLE) if box.writable else (1, _READ_ONLY)
    kind = "writable" if box.writable else "read-only"
    label = shorten(f"{kind}  {box.text}", _CHARACTERS * width // len(columns))
    axis.add_patch(
        Rectangle(
            (left + 0.01, box.row),
            width - 0.02,
            height - 0.06,
            facecolor=colour,
            edgecolor="#333333",
        )
    )
    axis.text(
        left + width / 2,
        box.row + height / 2,
        label,
        ha="center",
        va="center",
        fontsize=9,
        family="monospace",
    )
