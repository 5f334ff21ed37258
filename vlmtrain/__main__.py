"""`python -m vlmtrain`, which is what `torchrun -m vlmtrain` starts N times."""

from __future__ import annotations

from vlmtrain.cli import main

main()
