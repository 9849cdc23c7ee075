"""A local Triverse, to develop and test against: no network, no key of yours, no credits spent.

```python
from triverse.sandbox import Sandbox

sandbox = Sandbox()
with sandbox.client() as client:
    print(client.users.balance())
```
"""

from __future__ import annotations

from triverse.sandbox.accounts import Account, Hold
from triverse.sandbox.faults import Fault, Faults
from triverse.sandbox.http import Answer, Received
from triverse.sandbox.sandbox import Handled, Sandbox

__all__ = ["Account", "Answer", "Fault", "Faults", "Handled", "Hold", "Received", "Sandbox"]
