"""Whether coefficients belong to a field of the kind their modes are for."""

from typing import Any

import numpy as np

from phix._errors import require


def check_spectrum(modes: Any, c: np.ndarray) -> None:
    """Raises `ValueError` unless c is finite and, for real fields, Hermitian."""
    require(
        bool(np.all(np.isfinite(c))),
        "c holds coefficients that are not finite",
    )
    half = modes.half_axis
    if half is None:
        return
    # A wrong spectrum misses by as much as it holds. Rounding can miss by much more
    # than an epsilon: high derivatives amplify that of the highest waves.
    allowed = 0.1 * np.abs(c).max(initial=0.0)
    for k in modes.waves[half]:
        if k == 0 or 2 * k == modes.grid.shape[half]:
            plane = np.take(c, int(k), axis=half + 1)
            axes = tuple(a + 1 for a in modes.periodic_axes[:-1])
            for axis in axes:
                if modes.has_nyquist(axis - 1):
                    plane = np.delete(plane, 0, axis=axis)
            gap = np.abs(plane - np.conj(np.flip(plane, axes))).max(initial=0.0)
            require(
                bool(gap <= allowed),
                f"c belongs to no real field: in the plane of wave {k} along axis "
                f"{half} coefficients of k and -k must be conjugate, and differ by "
                f"{gap:.2g}; build it with to_modes, or take modes(complex=True)",
            )
