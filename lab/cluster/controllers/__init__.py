"""The controllers: each watches objects and steps from what is to what should be."""

from lab.cluster.controllers.base import Controller
from lab.cluster.controllers.crd import CustomResourceDefinitions
from lab.cluster.controllers.cronjob import CronJobs
from lab.cluster.controllers.daemonset import DaemonSets
from lab.cluster.controllers.deployment import Deployments
from lab.cluster.controllers.disruption import DisruptionBudgets
from lab.cluster.controllers.endpoints import EndpointsController
from lab.cluster.controllers.garbage import GarbageCollector
from lab.cluster.controllers.horizontal import HorizontalPodAutoscalers
from lab.cluster.controllers.job import Jobs
from lab.cluster.controllers.namespace import Namespaces
from lab.cluster.controllers.nodelifecycle import GRACE_SECONDS, NodeLifecycle
from lab.cluster.controllers.quota import ResourceQuotas
from lab.cluster.controllers.replicaset import ReplicaSets, ReplicationControllers
from lab.cluster.controllers.serviceaccount import ServiceAccounts
from lab.cluster.controllers.statefulset import StatefulSets
from lab.cluster.controllers.tainteviction import TaintEviction
from lab.cluster.controllers.ttl import EventTTL
from lab.cluster.controllers.unenforced import Unenforced
from lab.cluster.controllers.volume import PersistentVolumes
from lab.cluster.registry.client import Client


def all_controllers(
    client: Client, authority: str, grace_seconds: float = GRACE_SECONDS
) -> list[Controller]:
    """Every controller; ``authority`` is the certificate that ServiceAccounts' Pods trust, and
    after ``grace_seconds`` of silence a node is NotReady.
    """
    kinds: list[type[Controller]] = [
        CustomResourceDefinitions,
        Namespaces,
        GarbageCollector,
        ReplicaSets,
        ReplicationControllers,
        Deployments,
        EndpointsController,
        Jobs,
        CronJobs,
        DaemonSets,
        StatefulSets,
        PersistentVolumes,
        ResourceQuotas,
        HorizontalPodAutoscalers,
        DisruptionBudgets,
        TaintEviction,
        EventTTL,
        Unenforced,
    ]
    return [
        ServiceAccounts(client, authority),
        NodeLifecycle(client, grace_seconds),
        *(kind(client) for kind in kinds),
    ]
