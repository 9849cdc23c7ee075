"""The wire: the only room that knows httpx. It turns an `Attempt` into a `Reply` or an `AttemptFailed`."""
