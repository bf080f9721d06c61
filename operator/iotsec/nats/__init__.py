"""The NATS wire formats, pure: nkeys, subjects, claims, tokens, credentials files and server configuration.

Nothing in here awaits, reads a clock or draws a random number: times and entropy are arguments.
"""
