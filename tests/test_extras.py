from __future__ import annotations

import subprocess
from importlib import import_module

import pytest
from support.shell import run_program

from triverse._extras import require_extra

_WITHOUT_EXTRA = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"starlette", "uvicorn"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())

from triverse.sandbox import Fault, Sandbox

sandbox = Sandbox()
with sandbox.client() as client:
    print(client.users.balance().balance)
"""


def run(last: str) -> subprocess.CompletedProcess[str]:
    return run_program(_WITHOUT_EXTRA + last)


def test_the_clients_in_process_need_no_extra() -> None:
    assert run("").stdout == "1200.0\n"


def test_another_module_that_is_missing_is_not_blamed_on_the_extra() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'no_such_module'$"), require_extra("sandbox"):
        import_module("no_such_module")


@pytest.mark.parametrize("needing", ["sandbox.app()", "sandbox.serve()"])
def test_a_missing_extra_is_one_line_that_names_the_command_to_install_it(needing: str) -> None:
    done = run(needing)
    assert done.stdout == "1200.0\n"
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: ")
    assert last.endswith(' is not installed: pip install "triverse[sandbox]"')
