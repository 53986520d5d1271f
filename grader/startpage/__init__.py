"""The start page: an extension of a student's JupyterLab.

It shows the lessons and exercises of the workspace in the course's order, what is done and what
comes next, and how the lab is. Each time it is opened it reads all of this again. Nothing that a
notebook contains leaves the lab.
"""

from grader.startpage.extension import load_jupyter_server_extension

_load_jupyter_server_extension = load_jupyter_server_extension
