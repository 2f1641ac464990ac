"""Everything that Segue does in a Kubernetes cluster; `api` is the one door to it."""
