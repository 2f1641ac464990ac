"""Argo CD and Flux themselves, as processes of this machine beside the cluster under test.

Both come from their own Go modules at a version that is named here. Neither is given anything but an
administrator's kubeconfig, a Git server, and the objects that people write for it.
"""
