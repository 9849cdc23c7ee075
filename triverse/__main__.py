"""`python -m triverse` runs the `triverse` command."""

from __future__ import annotations

from triverse.cli import main

raise SystemExit(main())
