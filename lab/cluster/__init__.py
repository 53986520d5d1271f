"""The pocket cluster: a small Kubernetes that the real ``kubectl`` talks to, its Pods real
containers on a Docker engine.

Read it in this order: ``resources`` (what there is), ``store`` (where it is kept), ``registry``
(what may happen to it), ``server`` (how it is asked for), ``controllers`` (what makes it so),
``scheduler`` and ``kubelet`` (where and how a Pod runs), ``network`` (how it is reached).
"""

VERSION = "v1.36.2"  # the Kubernetes whose behaviour this reproduces
