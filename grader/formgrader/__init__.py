"""Formgrader as the course uses it: an extension of the instructor's JupyterLab.

What differs from nbgrader's own, and why:

- A button does what ``bin/lab`` does (feedback pages), or is not there: nbgrader's own would grade
  in the instructor's lab, publish hidden tests, or copy to an exchange that nobody reads.
- Students' texts are framed and cleaned as on feedback pages (grader/pages/notebook.py).
- Names go into pages escaped, each page has a policy that runs only the page's own scripts, and
  nothing is loaded from elsewhere.
- No address opens another course's configuration (which is Python), a student's file, or a
  student's notebook: a link in an answer could lead there.
"""

from grader.formgrader.extension import load_jupyter_server_extension

_load_jupyter_server_extension = load_jupyter_server_extension
