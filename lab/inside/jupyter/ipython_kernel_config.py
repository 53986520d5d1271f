"""Kernels of the lab: a notebook has `%%shell` and the lessons' functions from its first cell on,
also after a restart. Notebooks that are opened elsewhere begin with `%load_ext lab.notebook`.
"""

c = get_config()  # noqa: F821  (given by IPython)
# not c.InteractiveShellApp.extensions: `%load_ext` would then complain
c.InteractiveShellApp.exec_lines = [
    "__import__('lab.notebook').notebook.load_ipython_extension(get_ipython())"
]
