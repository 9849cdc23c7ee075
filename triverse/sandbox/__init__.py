"""A local Triverse for development and tests: no network, no real key, no credits spent.

```python
from triverse.sandbox import Sandbox

sandbox = Sandbox()
with sandbox.client() as client:
    print(client.users.balance())
```
"""

from __future__ import annotations

from triverse.sandbox.account_tasks import AccountTasks
from triverse.sandbox.accounts import Account
from triverse.sandbox.fault_plan import Faults
from triverse.sandbox.faults import Fault
from triverse.sandbox.http import Delivery, SandboxRequest, SandboxResponse
from triverse.sandbox.ledger import Hold
from triverse.sandbox.sandbox import LoggedCall, Sandbox
from triverse.sandbox.settings import SandboxSettings
from triverse.sandbox.tasks import SandboxTask
from triverse.sandbox.uploads import Upload, Uploads

__all__ = [
    "Account",
    "AccountTasks",
    "Delivery",
    "Fault",
    "Faults",
    "Hold",
    "LoggedCall",
    "Sandbox",
    "SandboxRequest",
    "SandboxResponse",
    "SandboxSettings",
    "SandboxTask",
    "Upload",
    "Uploads",
]
