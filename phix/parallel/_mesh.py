"""Devices to share a batch over."""

import contextlib
import math
import os

import jax
from jax.sharding import AxisType, Mesh

from phix._errors import require


BATCH_AXIS = "batch"
# Devices along this axis share batches too, and each keeps a part of the weights.
WEIGHT_AXIS = "weights"


def make_mesh(num_devices: int | None = None, *, weight_parts: int = 1) -> Mesh:
    """A mesh of devices that share out batches and, on demand, the weights.

    **Arguments:**

    - `num_devices`: how many; all there are, over all processes, if `None`.
    - `weight_parts`: 1 for the whole model on each device. Otherwise `fit` keeps so
        many parts of every large array with an axis that they divide (of the model, its
        average, the optimiser's memory), each on another device, and puts them together
        for the time of an update (FSDP). Take as few as fit the memory, on devices that
        are close.

    **Returns:** a `jax.sharding.Mesh` of Auto axes, `"batch"` and, for parts of the
    weights, `"weights"`, for `batch_map` and `fit(mesh=...)`.

    **Raises:** `ValueError` if there are not so many devices, or not so many parts in
    them.

    ??? cite "Reference"
        Rajbhandari, Rasley, Ruwase, He, *ZeRO*, SC 2020, arXiv:1910.02054.
    """
    devices = jax.devices()
    num_devices = len(devices) if num_devices is None else num_devices
    require(
        1 <= num_devices <= len(devices),
        f"num_devices: got {num_devices}, but there are {len(devices)}; on CPUs "
        f'call jax.config.update("jax_num_cpu_devices", {num_devices}) at the start.',
    )
    require(
        weight_parts >= 1 and num_devices % weight_parts == 0,
        f"weight_parts: got {weight_parts}, which must divide the {num_devices} "
        "devices of the mesh.",
    )
    shape, axes = (num_devices,), (BATCH_AXIS,)
    if weight_parts > 1:
        shape = (num_devices // weight_parts, weight_parts)
        axes = (BATCH_AXIS, WEIGHT_AXIS)
    return jax.make_mesh(
        shape,
        axes,
        axis_types=(AxisType.Auto,) * len(axes),
        devices=devices[:num_devices],
    )


def batch_axes(mesh: Mesh) -> tuple[str, ...]:
    """The axes of a mesh over which a batch is shared out."""
    return tuple(a for a in (BATCH_AXIS, WEIGHT_AXIS) if a in mesh.axis_names)


def num_batch_parts(mesh: Mesh) -> int:
    """In how many parts a batch is shared out."""
    return math.prod(mesh.shape[axis] for axis in batch_axes(mesh))


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
