"""Attacks on whoever reads: active content for browsers, and hand-ins that are too much to read."""

import os
from collections.abc import Callable
from pathlib import Path

from .attack import EVERYTHING, TRIAL, Attack, Notebook, cell, code_cell

SANITIZED = "outputs are text and pictures; pages pass an allow-list"
ACTIVE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)><a"
    " href='javascript:alert(3)'>x</a><iframe srcdoc='x'></iframe><svg onload=alert(4)>"
)
SHOW = f"""
import IPython.display as show
active = {ACTIVE!r}
show.display(show.HTML(active), show.Javascript("alert(5)"), show.SVG("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(6)'/>"), show.Markdown(active), show.Latex(active))
show.display({{"text/html": active, "application/javascript": "alert(7)", "text/plain": active}}, raw=True)
show.display({{"image/png": "x' onerror='alert(8)", "image/svg+xml": active, "text/plain": active}}, raw=True)
print(active)
import sys
print(active, file=sys.stderr)
"""
RAISE = f"raise type('Oh<script>alert(1)</script>', (Exception,), {{}})({ACTIVE!r})"
MANY_OUTPUTS = """
print("attempted")
from IPython.display import display
for number in range(10_000):
    display(number)
"""
BIG_PICTURE = """
print("attempted")
from IPython.display import display
display({"image/png": "A" * 4_000_000, "text/plain": "x"}, raw=True)
"""
SPARSE = """
import os
with open("Dockerfile", "wb") as big:
    big.truncate(10 << 30)
"""


def _written(notebook: Notebook) -> None:
    cell(notebook, "words")["source"] = (
        ACTIVE + "\n\n[x](javascript:alert(9))\n\n" + "$\\href{javascript:alert(1)}{x}$"
    )
    notebook["cells"].append(
        {"cell_type": "raw", "metadata": {"raw_mimetype": "text/html"}, "source": ACTIVE}
    )
    attached = {"x.svg": {"image/svg+xml": ACTIVE}}
    notebook["cells"].append(
        {
            "cell_type": "markdown",
            "metadata": {},
            "source": "![x](attachment:x.svg)",
            "attachments": attached,
        }
    )
    notebook["metadata"] = {
        "title": ACTIVE,
        "kernelspec": {"name": ACTIVE, "display_name": ACTIVE, "language": ACTIVE},
    }


def _claimed(notebook: Notebook) -> None:
    notebook["cells"].append(code_cell("pass", nbgrader={"grade_id": ACTIVE, "grade": True}))


def _fifty_megabytes(notebook: Notebook) -> None:
    text = "x" * (50 << 20)
    cell(notebook, "total")["outputs"] = [{"output_type": "stream", "name": "stdout", "text": text}]


def _five_thousand_cells(notebook: Notebook) -> None:
    notebook["cells"] += [code_cell("pass") for _ in range(5_000)]


def _ten_thousand_outputs(notebook: Notebook) -> None:
    cell(notebook, "total")["outputs"] = [
        {"output_type": "stream", "name": "stdout", "text": f"{number}\n"}
        for number in range(10_000)
    ]


def _forty_megabytes_of_source(notebook: Notebook) -> None:
    notebook["cells"].append(code_cell("x = '" + "x" * (40 << 20) + "'"))


def _slow_text(notebook: Notebook) -> None:
    cell(notebook, "words")["source"] = "\\begin{a}" * 20_000


def _lost_picture(notebook: Notebook) -> None:
    cell(notebook, "words")["source"] = "![x](attachment:gone.png)"


def _in_the_folder(write: str) -> str:
    """A Dockerfile that is none, made by the notebook in the sandbox."""
    return (
        f"import os\nfrom pathlib import Path\nPath('Dockerfile').unlink(missing_ok=True)\n{write}"
    )


def _beside(name: str, make: Callable[[Path], None]) -> Callable[[Path], None]:
    """Something beside the notebook, in the hand-in itself."""
    return lambda folder: make(folder / name)


def _sparse(path: Path) -> None:
    with path.open("wb") as big:
        big.truncate(10 << 30)


def _link_to_another(folder: Path) -> None:
    book = folder / f"{TRIAL}.ipynb"
    book.unlink()
    book.symlink_to(f"../../aa-honest/{TRIAL}/{TRIAL}.ipynb")


def _dockerfile_of_another(folder: Path) -> None:
    (folder / "Dockerfile").symlink_to("/etc/passwd")
    (folder / "other").symlink_to("../../aa-honest", target_is_directory=True)
    (folder / "gradebook.db").symlink_to("../../../gradebook.db")


LEFT_OUT = "only regular files are taken, no links"
NOT_COLLECTED = "one regular file of bounded size is collected"
ATTACKS = [
    Attack("Active content in outputs", SANITIZED, SHOW, stock=True),
    Attack("Active content in an error", SANITIZED, RAISE, attempts=False),
    Attack(
        "Active content in text, raw cells, attachments and metadata",
        SANITIZED,
        change=_written,
        stock=True,
    ),
    Attack(
        "Active content in a student's name",
        "pages escape names",
        named=ACTIVE.split("/")[0] + "<img src=x onerror=alert(2)>",
    ),
    Attack(
        "Active content in a cell's id",
        "pages escape notes",
        change=_claimed,
        note="never released",
    ),
    Attack(
        "Active content in a file that a check quotes",
        "pages escape messages",
        f"open('Dockerfile', 'w').write({ACTIVE!r})",
    ),
    Attack(
        "A notebook of 50 MB",
        "outputs are left behind",
        answers=EVERYTHING,
        change=_fifty_megabytes,
    ),
    Attack(
        "A notebook of 5,000 cells",
        "nothing: it is read, run and shown",
        answers=EVERYTHING,
        change=_five_thousand_cells,
    ),
    Attack(
        "A notebook with 10,000 outputs",
        "outputs are left behind",
        answers=EVERYTHING,
        change=_ten_thousand_outputs,
    ),
    Attack(
        "A cell that shows 10,000 outputs",
        "a cell's outputs are cut",
        MANY_OUTPUTS,
        "file",
        EVERYTHING,
    ),
    Attack(
        "A cell that shows a picture of 4 MB",
        "a cell's outputs are cut",
        BIG_PICTURE,
        "file",
        EVERYTHING,
    ),
    Attack(
        "A cell of 40 MB",
        "the size of all cells is limited",
        change=_forty_megabytes_of_source,
        reason=("malformed",),
    ),
    Attack(
        "Text that takes hours to render",
        "long text is shown as it was typed",
        answers=EVERYTHING,
        change=_slow_text,
    ),
    Attack(
        "A picture that is not there",
        "text that cannot be rendered is shown as it was typed",
        answers=EVERYTHING,
        change=_lost_picture,
    ),
    Attack(
        "A collected file is a link",
        NOT_COLLECTED,
        _in_the_folder("os.symlink('/etc/passwd', 'Dockerfile')"),
        note="was not collected",
    ),
    Attack(
        "A collected file is a link to a device",
        NOT_COLLECTED,
        _in_the_folder("os.symlink('/dev/zero', 'Dockerfile')"),
        note="was not collected",
    ),
    Attack(
        "A collected file is a named pipe",
        NOT_COLLECTED,
        _in_the_folder("os.mkfifo('Dockerfile')"),
        note="was not collected",
    ),
    Attack(
        "A collected file is a socket",
        NOT_COLLECTED,
        _in_the_folder("import socket\nsocket.socket(socket.AF_UNIX).bind('Dockerfile')"),
    ),
    Attack(
        "A collected file is a folder",
        NOT_COLLECTED,
        _in_the_folder("os.mkdir('Dockerfile')\nos.mkdir('Dockerfile/x')"),
        note="was not collected",
    ),
    Attack("A collected file of 10 GB, sparse", NOT_COLLECTED, SPARSE, note="was not collected"),
    Attack(
        "A file handed in is a link to the machine's",
        LEFT_OUT,
        place=_dockerfile_of_another,
        note="was left out",
    ),
    Attack(
        "The notebook handed in is a link to another's",
        LEFT_OUT,
        place=_link_to_another,
        reason=("malformed",),
    ),
    Attack(
        "A named pipe handed in",
        LEFT_OUT,
        place=_beside("Dockerfile", os.mkfifo),
        note="was left out",
    ),
    Attack(
        "A sparse file of 10 GB handed in",
        "sizes are limited",
        place=_beside("Dockerfile", _sparse),
        note="was left out",
    ),
]
