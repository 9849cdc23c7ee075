"""The wire: the only package that imports httpx. It turns an `Attempt` into a `Reply` or an `AttemptFailed`."""
