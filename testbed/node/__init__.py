"""A real Kubernetes node for tests, on a machine of its own within this one."""
