"""Training steps of phix's Φ-ROM at the authors' settings, timed on demand.

    python -m bench.rom.our_steps burgers|turbulence DATA

The data are those that the authors' scripts generate. The protocol is that of
`bench/rom/their_steps.py`; called by `bench.rom.authors`.
"""

import json
import resource
import sys
import time

import h5py
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from phix import rom
from phix.pde import Burgers, from_step
from phix.space import Grid
from phix.train import ArraySource, lower_updates


def turbulence(path: str) -> tuple[rom.PhiROM, rom.TrainingData]:
    """32 decaying flows, JAX-CFD's step, the published networks, batches of 16."""
    import jax_cfd.base as cfd

    with h5py.File(path) as file:
        us = jnp.asarray(file["u"][:32, :50], jnp.float32)
        inner, steps = float(file["dt"][0]), int(file.attrs["inner_steps"][0])
        length = float(file.attrs["lengths"][0])
    size = us.shape[-1]
    mesh = cfd.grids.Grid((size, size), domain=((0, length), (0, length)))
    flow = cfd.equations.semi_implicit_navier_stokes(1.0, 1e-2, inner, mesh)
    wall = cfd.boundaries.periodic_boundary_conditions(2)

    def step(u, t, args):
        arrays = map(cfd.grids.GridArray, u, mesh.cell_faces, [mesh] * 2)
        v = flow(tuple(cfd.grids.GridVariable(a, wall) for a in arrays))
        return jnp.stack([component.data for component in v])

    grid = Grid((size, size), (0.0, length), node="centre")
    equation = from_step(step, inner, grid)
    networks = rom.Networks(100, "fourier", 80, 3, 512, 4)
    training = rom.Training(24000, 16, lambda step: 5e-3, clip=0.0, chunk=1)
    method = rom.PhiROM(equation, networks, training, warmup=0.0)
    ts = jnp.arange(us.shape[1]) * inner * steps
    return method, rom.training_data((ts, us), grid=grid)


def burgers(path: str) -> tuple[rom.PhiROM, rom.TrainingData]:
    """The Burgers shock at 8 parameters, all 100 frames in one batch."""
    with h5py.File(path) as file:
        us = jnp.asarray(file["u"][:8, :100], jnp.float32)
        mus = jnp.asarray(file["mu"][:8], jnp.float32)
    grid = Grid(256, (0.0, 100.0), boundary=("inflow", "outflow"))
    equation = Burgers(grid, mu=0.02, amplitude=0.02)
    networks = rom.Networks(4, "sine", 32, 4, 64, 4)
    training = rom.Training(12000, 800, lambda step: 5e-3, clip=0.0, chunk=160)
    method = rom.PhiROM(equation, networks, training, warmup=0.0)
    ts = jnp.asarray(0.07 * np.arange(100), jnp.float32)
    data = ts, us, mus[:, None]
    return method, rom.training_data(data, parameters=("mu",), grid=grid)


def answer(record: dict) -> None:
    """One line for the caller."""
    print(json.dumps(record), flush=True)


def main(case: str, path: str) -> None:
    """Compiles, then runs as many steps as each line of the input asks for."""
    method, data = {"burgers": burgers, "turbulence": turbulence}[case](path)
    model = method.networks.build(data, key=jr.key(0))
    update = method.update(data)
    source = ArraySource(method.samples(data), method.training.batch_size)
    start = time.perf_counter()
    lowered = lower_updates(model, update, source, key=jr.key(1))
    memory = lowered.compile().memory_analysis()
    answer(
        {
            "temporaries_mb": memory.temp_size_in_bytes / 2**20,
            "compile_seconds": time.perf_counter() - start,
        }
    )

    @jax.jit
    def step(arrays, n):
        state = jax.tree.unflatten(tree, arrays)
        batch = source.draw(n, key=jr.key(1))
        state, metrics = update(state, batch, step=n, key=jr.fold_in(jr.key(2), n))
        return jax.tree.flatten(state)[0], metrics["loss"]

    leaves, tree = jax.tree.flatten(update.init(model))
    count = 0
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            leaves, _ = jax.block_until_ready(step(leaves, jnp.int32(count)))
            seconds.append(time.perf_counter() - start)
            count += 1
        answer({"seconds": seconds})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    answer({"peak_mb": peak})


if __name__ == "__main__":
    main(*sys.argv[1:])
