"""The shell towards NATS: the system-account connection, and what is asked and told over it."""
