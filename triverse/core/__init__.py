"""The transport-agnostic core: requests, results, errors, and every rule of a call.

Nothing here does I/O, sleeps, or reads the environment or a clock: functions take values and return values.
"""
