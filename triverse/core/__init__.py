"""The transport-agnostic core: what a call is, and every rule it obeys.

Nothing in here does I/O, sleeps, looks at the environment or reads a clock: values come in, values go out.
"""
