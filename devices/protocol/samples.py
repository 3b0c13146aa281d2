"""What samples of a waveform may be: for type checkers alone, so that a gateway imports no NumPy to name them."""

from __future__ import annotations

from array import array
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# int16[n]: an array of the standard library where a gateway heard them, of NumPy where a server or a plant made them.
Samples: TypeAlias = NDArray[np.int16] | array[int]
