import jax.numpy as jnp

from phix.parallel import batch_map, make_mesh, pad_batch
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


def _pad(dtype):
    return lambda u: pad_batch(jnp.sin(u), 4), (jnp.array([0.5, 1.0, 2.0], dtype),)


CASES = [
    Case("map without a mesh", _map(None), ("batch_map",)),
    Case("map over a mesh", _map(make_mesh(1)), ("batch_map", "make_mesh")),
    Case("automatic map", _map(make_mesh(1), "auto"), ("batch_map",)),
    Case("map in chunks", _map(make_mesh(1), chunk=1), ("batch_map",)),
    Case("padding", _pad, ("pad_batch",)),
]
EXEMPT = {
    "BATCH_AXIS": "the name of an axis",
    "batch_size": "a size read from shapes",
    "use_cores": "a setting",
}
