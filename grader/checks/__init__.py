"""The checks that test cells call: nouns of Docker and Kubernetes, facts as properties, `must_*`
that raise three lines.

`docs/checks.md` introduces them; `docs/checks/` has a page for each noun.
"""

from grader.checks.configs import ConfigMap, Secret, configmap, secret
from grader.checks.containers import Container, container
from grader.checks.deployments import Deployment, deployment
from grader.checks.dockerfiles import Dockerfile, dockerfile
from grader.checks.files import File, file
from grader.checks.images import Image, image
from grader.checks.partial import credit
from grader.checks.pods import Pod, pod
from grader.checks.services import Service, service
from grader.checks.values import Given, given
from grader.checks.verdict import CheckFailed, EnvironmentProblem

__all__ = [
    "CheckFailed",
    "ConfigMap",
    "Container",
    "Deployment",
    "Dockerfile",
    "EnvironmentProblem",
    "File",
    "Given",
    "Image",
    "Pod",
    "Secret",
    "Service",
    "configmap",
    "container",
    "credit",
    "deployment",
    "dockerfile",
    "file",
    "given",
    "image",
    "pod",
    "secret",
    "service",
]
