"""What the tests stand on: servers, keys and other props."""
