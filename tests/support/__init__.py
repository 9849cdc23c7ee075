"""Helpers of the tests: servers, clients, keys and files."""
