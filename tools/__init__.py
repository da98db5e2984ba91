"""What an agent may use: the tool registry, retrieval, sandbox, SQL; policy and guards."""
