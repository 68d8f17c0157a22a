"""One of two processes that share a sweep: `one_of_two.py RANK PORT DIRECTORY`."""

import sys

import jax


rank, port, directory = sys.argv[1:]
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 2)

from phix.parallel import initialise, make_mesh  # noqa: E402
from tests.sweeps.shared import run  # noqa: E402


assert initialise(f"127.0.0.1:{port}", 2, int(rank), timeout=60)
assert jax.device_count() == 4
run(directory, make_mesh())
