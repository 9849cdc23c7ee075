"""The clients: configuration, life cycle, and the two short drivers."""
