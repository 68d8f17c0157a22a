"""Devices to share a batch over."""

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
