"""Real servers on this machine, no containers: a Kubernetes control plane and nats-server, for tests and trials."""
