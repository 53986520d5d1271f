"""What cells share beside their variables, as the kernel finds it after each: the folder it is in,
its environment, what Python itself brings.

A claim like all that comes from a student's kernel: it explains a lost point, it makes none.
"""

import builtins
import os
import zlib

_BUILTINS = dict(vars(builtins))  # before any code of a student's


def now() -> dict[str, str]:
    """{what: how it is}; what is as it always was is left out, but for the environment."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    names = shell.user_ns if shell else {}
    environment = {
        f"the environment variable `{name}`": f"{zlib.crc32(value.encode('utf-8', 'replace')):x}"
        for name, value in os.environ.items()
    }
    altered = (name for name, was in _BUILTINS.items() if vars(builtins).get(name) is not was)
    taken = (name for name in _BUILTINS if name in names and not name.startswith("_"))
    return {
        "the working directory": _folder(),
        **environment,
        **{f"Python's own `{name}`": "another" for name in altered},
        **{f"the name `{name}`, which is Python's own": "taken" for name in taken},
    }


def _folder() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return "one that is no longer there"
