"""Devices to share a batch over."""

import contextlib
import os

import jax
from jax.sharding import AxisType, Mesh

from phix._errors import require


BATCH_AXIS = "batch"


def make_mesh(num_devices: int | None = None) -> Mesh:
    """A mesh of devices in a row, whose one axis `"batch"` shares out batches.

    **Arguments:**

    - `num_devices`: how many; all there are, over all processes, if `None`.

    **Returns:** a `jax.sharding.Mesh` with an axis of type Auto, for `batch_map` and
    `fit(mesh=...)`.

    **Raises:** `ValueError` if there are not so many devices.
    """
    devices = jax.devices()
    num_devices = len(devices) if num_devices is None else num_devices
    require(
        1 <= num_devices <= len(devices),
        f"num_devices: got {num_devices}, but there are {len(devices)}; on CPUs "
        f'call jax.config.update("jax_num_cpu_devices", {num_devices}) at the start.',
    )
    return jax.make_mesh(
        (num_devices,),
        (BATCH_AXIS,),
        axis_types=(AxisType.Auto,),
        devices=devices[:num_devices],
    )


def use_cores(number: int | None = None) -> None:
    """Makes each core of the CPU a device of its own, for `make_mesh` to share out.

    One program for each core is faster than programs that are each split over all. To
    be called before JAX is first used; afterwards, or where the number of CPU devices
    was already chosen, it does nothing. Accelerators are not touched.

    **Arguments:**

    - `number`: how many; the cores this process may use if `None`.
    """
    if getattr(jax.config, "jax_num_cpu_devices", -1) > 0:
        return
    number = _cores() if number is None else number
    with contextlib.suppress(RuntimeError):  # JAX has been used
        jax.config.update("jax_num_cpu_devices", number)


def _cores() -> int:
    """Those this process may use, or all where the system does not say."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1
