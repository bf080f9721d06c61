"""The security of IoT fleets on NATS, kept true by Kubernetes custom resources."""

__version__ = "0.1.0"
