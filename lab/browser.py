"""The browser of the person at this machine."""

import os
import webbrowser


def open_page(address: str) -> None:
    """Open an address in the browser where there is a screen to show it; else do nothing."""
    if os.environ.get("DISPLAY", os.environ.get("WAYLAND_DISPLAY")):
        webbrowser.open(address)
