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
    "nbgrader.server_extensions.assignment_list": True,
    "nbgrader.server_extensions.validate_assignment": True,
    "nbgrader.server_extensions.formgrader": instructor,
    "nbgrader.server_extensions.course_list": False,  # several courses on one server: not here
}
c.LabApp.extension_manager = "readonly"
c.FileContentsManager.delete_to_trash = False  # a container has no trash
c.TerminalManager.cull_inactive_timeout = 0
