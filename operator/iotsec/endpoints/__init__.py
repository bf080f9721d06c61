"""What the operator serves over HTTP itself, to others than the API server and the brokers."""
