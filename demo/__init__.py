"""The main job, shown on a control plane and a nats-server of its own."""
