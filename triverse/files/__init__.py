"""The user's disk: sources of uploads and targets of downloads. Blocking; the async client calls it in threads."""
