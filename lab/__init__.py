"""The lab: where the course's work happens (image, engine, registry, JupyterLab). It never imports
``grader``.
"""
