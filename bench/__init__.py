"""Benchmarks: what the operator costs and how fast it is, measured on a real control plane and a real nats-server."""
