"""Many processes that work as one."""

import jax

from phix._errors import require


def initialise(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_index: int | None = None,
    *,
    timeout: int = 300,
    lost_after: int = 100,
) -> bool:
    """Joins the processes of a job, so that `jax.devices()` are those of all of them.

    To be called in every process before JAX is first used. On Cloud TPU, Slurm, Open
    MPI and Kubernetes JAX finds the others by itself: call it without arguments. A
    process that is alone, or has used JAX and so can no longer join, stays as it is:
    a script that runs anywhere may call it.

    **Arguments:**

    - `coordinator`: `"host:port"` of process 0, a free port there.
    - `num_processes`, `process_index`: how many there are, and which one this is.
    - `timeout`: seconds to wait for the others.
    - `lost_after`: seconds without a sign of life after which a process counts as lost
        and the others stop.

    **Returns:** whether there are other processes.

    **Raises:** `ValueError` if some of the three are given without the others.
    """
    given = [x is not None for x in (coordinator, num_processes, process_index)]
    require(
        all(given) or not any(given),
        "coordinator, num_processes, process_index: give all three, or none where JAX "
        "finds the processes by itself",
    )
    if not jax.distributed.is_initialized():
        # JAX would open the port to all networks.
        local = coordinator is not None and coordinator.startswith("127.")
        try:
            jax.distributed.initialize(
                coordinator,
                num_processes,
                process_index,
                coordinator_bind_address=coordinator if local else None,
                initialization_timeout=timeout,
                heartbeat_timeout_seconds=lost_after,
            )
        except (ValueError, RuntimeError) as error:
            alone = "coordinator_address" in str(error)
            late = "must be called before" in str(error)
            if any(given) or not (alone or late):
                raise
    return jax.process_count() > 1
