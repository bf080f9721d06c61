"""The shell towards Kubernetes: watches, work queue, reads and writes. It decides nothing."""
