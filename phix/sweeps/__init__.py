"""One function at many points: sampled, run in chunks, written as they are done."""

from phix.sweeps._points import (
    Range as Range,
    latin_hypercube as latin_hypercube,
    product as product,
    sobol as sobol,
)
from phix.sweeps._store import open_sweep as open_sweep
from phix.sweeps._sweep import sweep as sweep


__all__ = [
    "Range",
    "latin_hypercube",
    "open_sweep",
    "product",
    "sobol",
    "sweep",
]
