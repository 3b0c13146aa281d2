"""The lab: pumps and a link with the faults that were published, and attacks on them and on the house alike.

Nothing of it can reach a patient: it is no part of what is installed, a contract keeps the product from importing it,
and it opens only in a process that runs tests (docs/decisions/0026-a-lab-outside-the-product.md).
"""

from __future__ import annotations

import sys

if "pytest" not in sys.modules:
    raise ImportError("The lab opens for its tests alone; a trainer runs them with `python -m tests.reenact`.")
