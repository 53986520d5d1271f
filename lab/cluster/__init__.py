"""The pocket cluster: a small Kubernetes for the real ``kubectl``, its Pods containers on Docker.

Its folders are Kubernetes' own parts. Read them in this order: ``model`` (what there is: objects,
resources, schemas), ``registry`` (where it is kept, and what may happen to it), ``apiserver`` (how
it is asked for), ``controllers`` (what makes it so), ``scheduler`` and ``kubelet`` (where and how a
Pod runs), ``network`` (how it is reached). ``cluster`` puts them together in one process.
"""

VERSION = "v1.36.2"  # the Kubernetes whose behaviour this reproduces
