"""The lab: image, engine, registry, JupyterLab. It never imports ``grader``."""
