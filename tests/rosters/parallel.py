import jax.numpy as jnp
import jax.random as jr

from phix.parallel import batch_map, make_mesh, pad_batch, spread
from phix.space import Grid
from tests.rosters.case import Case


def _map(mesh, partition="shard", chunk=None):
    def build(dtype):
        def fn(nu, u):
            mapped = batch_map(
                lambda u: jnp.fft.irfft(jnp.exp(-nu) * jnp.fft.rfft(u), 4) * u[0],
                mesh,
                partition=partition,
                chunk=chunk,
            )
            return mapped(u)

        u = jnp.array([[0.5, 1.0, 0.0, 2.0], [1.0, -1.0, 3.0, 0.2]], dtype)
        return fn, (jnp.asarray(0.3, dtype), u)

    return build


def _pencils(dtype):
    modes = spread(Grid((4, 4, 6), (0.0, 1.0)), rows=1).modes(0.8)

    def fn(u):
        return modes.to_nodes(modes.to_modes(u) ** 2)

    return fn, (jr.normal(jr.key(0), (1, 4, 4, 6), dtype),)


def _pad(dtype):
    return lambda u: pad_batch(jnp.sin(u), 4), (jnp.array([0.5, 1.0, 2.0], dtype),)


CASES = [
    Case("map without a mesh", _map(None), ("batch_map",)),
    Case("map over a mesh", _map(make_mesh(1)), ("batch_map", "make_mesh")),
    Case("automatic map", _map(make_mesh(1), "auto"), ("batch_map",)),
    Case("map in chunks", _map(make_mesh(1), chunk=1), ("batch_map",)),
    Case("pencils", _pencils, ("Pencils",)),
    Case("padding", _pad, ("pad_batch",)),
]
EXEMPT = {
    "BATCH_AXIS": "the name of an axis",
    "WEIGHT_AXIS": "the name of an axis",
    "batch_axes": "names of axes of a mesh",
    "num_batch_parts": "a number read from a mesh",
    "keeps_weight_parts": "a question about a mesh",
    "weight_specs": "names of axes, read from shapes",
    "place_weights": "moves arrays, changes nothing",
    "whole_weights": "needs the axis of a shard_map; tests/train/eight_devices.py",
    "scatter_sum": "needs the axis of a shard_map; tests/train/eight_devices.py",
    "refuse_host": "looks at what a function holds",
    "batch_size": "a size read from shapes",
    "use_cores": "a setting of JAX",
    "initialise": "joins processes of a job",
    "lead": "calls a function of the host",
    "spread": "returns a grid, which holds no array",
    "place_field": "moves an array, changes nothing",
}
