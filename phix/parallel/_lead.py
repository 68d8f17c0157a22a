"""What one process does for all."""

from collections.abc import Callable

import jax
import numpy as np


def lead(fn: Callable[[], None]) -> None:
    """Calls `fn` in process 0 while the others wait; if it fails there, all fail.

    **Arguments:**

    - `fn`: such as what tidies a directory that all processes share.

    **Raises:** whatever `fn` raises, in process 0; `RuntimeError` in the others.
    """
    if jax.process_count() == 1:
        return fn()
    from jax.experimental import multihost_utils

    error = None
    if jax.process_index() == 0:
        try:
            fn()
        except Exception as found:
            error = found
    failed = multihost_utils.broadcast_one_to_all(np.asarray(error is not None))
    if error is not None:
        raise error
    if failed:
        raise RuntimeError("process 0 could not go on; it says why")
