"""How large the layers of images are."""

import base64
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from docker.errors import ImageNotFound

from lab.notebook.engine import engine
from lab.notebook.errors import LessonError
from lab.notebook.sizes import human_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of Okabe and Ito's palette, which every kind of eye tells apart.
_COLOURS = {"RUN": "#0072b2", "COPY": "#e69f00", "ADD": "#e69f00", "base": "#56b4e9"}
_OTHER = "#999999"
_DPI = 110
_LABEL_CHARACTERS = 46
_UNITS = (("MB", 1e6), ("kB", 1e3))
"""Of an axis: megabytes, unless all of it is smaller."""


@dataclass(frozen=True)
class Plot:
    """A matplotlib `figure`, shown once, with the same figures as `text`."""

    figure: "Figure"
    text: str

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        picture = io.BytesIO()
        self.figure.savefig(picture, format="png", dpi=_DPI, facecolor="white", bbox_inches="tight")
        return {"image/png": base64.b64encode(picture.getvalue()).decode(), "text/plain": self.text}

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class _Bar:
    text: str
    size: int
    colour: str


def layer_plot(*images: str) -> Plot:
    """Plot the layers of images, from the base at the top to the last instruction.

    Raises LessonError for an image that is not on the engine.

    >>> layer_plot("nginx", "nginx:alpine")
    """
    if not images:
        raise LessonError('No image was named.\nTry: layer_plot("nginx")')
    with engine() as client:
        stacks = {
            image: [_layer(each) for each in reversed(_history(client, image))] for image in images
        }
    titles = {
        image: f"Layers of the image {image}: {human_size(sum(bar.size for bar in bars))} in all"
        for image, bars in stacks.items()
    }
    return _plot([(titles[image], bars) for image, bars in stacks.items()])


def _history(client: Any, image: str) -> list[dict[str, Any]]:
    try:
        return list(client.api.history(image))
    except ImageNotFound:
        raise LessonError(
            f"The image {image!r} is not on this engine.\nTry: docker pull {image}"
        ) from None


def _layer(entry: dict[str, Any]) -> _Bar:
    text = instruction(entry["CreatedBy"] or "")
    return _Bar(text, entry["Size"], _COLOURS.get(text.split(" ")[0], _OTHER))


def instruction(created_by: str) -> str:
    """The Dockerfile's instruction in an entry of an image's history, whoever wrote it down.

    >>> instruction("RUN /bin/sh -c make # buildkit"), instruction("")
    ('RUN make', 'base layer')
    >>> instruction('/bin/sh -c #(nop)  CMD ["sh"]')
    'CMD ["sh"]'
    """
    text = re.sub(r"\s+", " ", created_by).removesuffix(" # buildkit").strip()
    text = re.sub(r"^/bin/sh -c #\(nop\) ", "", text).strip()
    text = re.sub(r"^(RUN )?/bin/sh -c ", "RUN ", text)
    return text or "base layer"


def _plot(panels: list[tuple[str, list[_Bar]]]) -> Plot:
    # Importing matplotlib takes as long as everything else here: only when something is plotted.
    from matplotlib.figure import Figure

    rows = sum(max(len(bars), 1) for _, bars in panels)
    figure = Figure(figsize=(8, 0.32 * rows + 0.9 * len(panels)), layout="constrained")
    heights = [len(bars) + 1.5 for _, bars in panels]
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    largest = max((bar.size for _, bars in panels for bar in bars), default=0)
    unit, scale = next((each for each in _UNITS if largest >= each[1]), ("bytes", 1.0))
    for axis, (title, bars) in zip(axes, panels, strict=True):
        _draw(axis, title, bars, scale)
        axis.set_xlim(0, max(largest / scale, 1) * 1.15)
    axes[-1].set_xlabel(f"size in {unit}")
    return Plot(figure, "\n".join(_as_text(title, bars) for title, bars in panels))


def _draw(axis: "Axes", title: str, bars: list[_Bar], scale: float) -> None:
    sizes, colours = [bar.size / scale for bar in bars], [bar.colour for bar in bars]
    drawn = axis.barh(range(len(bars)), sizes, color=colours, height=0.7)
    axis.bar_label(drawn, [human_size(bar.size) for bar in bars], padding=4, fontsize=9)
    axis.set_yticks(
        range(len(bars)), [shorten(bar.text) for bar in bars], fontsize=9, family="monospace"
    )
    axis.set_title(title, loc="left", fontsize=11)
    axis.invert_yaxis()
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)


def _as_text(title: str, bars: list[_Bar]) -> str:
    return "\n".join(
        [title, *(f"  {human_size(bar.size):>8}  {shorten(bar.text)}" for bar in bars)]
    )


def shorten(text: str, characters: int = _LABEL_CHARACTERS) -> str:
    """The beginning of a text that is too long.

    >>> shorten("RUN make install", 8)
    'RUN mak…'
    """
    return text if len(text) <= characters else text[: characters - 1] + "…"
