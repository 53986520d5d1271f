"""JupyterLab in the lab: which extensions a student and an instructor see."""

import os

c = get_config()  # noqa: F821  (given by Jupyter)
instructor = os.environ.get("LAB_INSTRUCTOR") == "yes"

# In a container of its own network all addresses are right: the machine publishes the port on its
# loopback address only.
c.ServerApp.ip = os.environ.get("LAB_ADDRESS", "0.0.0.0")
c.ServerApp.port = int(os.environ.get("LAB_PORT", "8888"))
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
c.ServerApp.allow_root = True  # a lab that root started writes root's files
c.ServerApp.root_dir = os.getcwd()
c.ServerApp.terminado_settings = {"shell_command": ["/bin/bash"]}
c.ServerApp.quit_button = False
c.ServerApp.jpserver_extensions = {
    "jupyterlab": True,
    "jupyter_server_proxy": True,  # a page of the student's containers: /proxy/8080/
    "grader.startpage": not instructor,  # of a student's workspace
    "nbgrader.server_extensions.assignment_list": not instructor,  # it fetches and hands in
    "nbgrader.server_extensions.validate_assignment": not instructor,  # below, with formgrader
    "nbgrader.server_extensions.formgrader": False,  # its buttons would undo what bin/lab does
    "nbgrader.server_extensions.course_list": False,  # several courses on one server: not here
}
if instructor:  # the course's formgrader and Validate, from the checkout
    c.ServerApp.jpserver_extensions["grader.formgrader"] = True
c.LabApp.extension_manager = "readonly"
# Beside the lessons, for them alone: it holds the answers.
c.ContentsManager.hide_globs = ["__pycache__", "*.pyc", "*~", ".DS_Store", "lesson-texts"]
c.FileContentsManager.delete_to_trash = False  # a container has no trash
c.TerminalManager.cull_inactive_timeout = 0
