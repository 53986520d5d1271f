"""Sizes as Docker writes them."""


def human_size(size: float) -> str:
    """Bytes as Docker writes them: three figures, units of a thousand.

    >>> human_size(0), human_size(1234), human_size(52_428_800)
    ('0B', '1.23kB', '52.4MB')
    """
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g}{unit}"
        size /= 1000
    return f"{size:.3g}GB"
