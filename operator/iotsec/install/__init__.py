"""What is generated for those who install the operator: its rights, the roles of users, the Helm chart."""
