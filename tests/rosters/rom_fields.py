"""Cheap ways from a latent to a field."""

import jax.numpy as jnp
import jax.random as jr

from phix import nn, rom
from phix.space import Grid
from tests.rosters.case import Case, cast
from tests.rosters.rom import _args, _drawn, _model, _points


def _cheap(dtype):
    grid = Grid(12, (0.0, 100.0))
    table = jr.normal(jr.key(5), (2, 3, 2), jnp.float32)
    decoder, dynamics = _drawn()
    drawn = rom.ReducedModel(decoder, dynamics, table)
    sampled = cast(rom.low_rank(drawn, grid, 2, num_nodes=3).decoder, dtype)

    def run(latents, mean, start):
        model = _model(latents, mean)
        coarse = rom.coarsened(model, grid, (6,))
        made = rom.decode_frames(coarse, start[None], grid)
        return made, sampled.field(start), sampled(grid.points.astype(dtype), start)

    return run, (*_args(dtype), jnp.array([0.3, -0.2], dtype))


def _readout(dtype):
    turns = jr.normal(jr.key(7), (4, 2), dtype)
    parts = (jnp.ones(2, dtype), jnp.eye(2, dtype=dtype), turns, jnp.ones(4, dtype))
    weights = 0.3 * jr.normal(jr.key(8), (3, 7), dtype)
    modes = jr.normal(jr.key(9), (3, 1, 5), dtype)
    error = jnp.zeros((), dtype)
    made = rom.Readout(rom.RandomSines(*parts), weights, modes[0], modes, error)

    def run(made, start):
        return made(start), made.features(start)

    return run, (made, jnp.array([0.3, -0.2], dtype))


def _tabulated(dtype):
    one, box = jnp.ones(1, jnp.float32), nn.MinMax.of(_points(jnp.float32))
    sizes = {"latent_size": 2, "width": 4, "depth": 2}
    drawn = nn.FourierDecoder(box, nn.Standardiser(one, one), key=jr.key(6), **sizes)

    def run(decoder, start):
        model = rom.ReducedModel(
            decoder, rom.ConstantVelocity(start), start[None, None]
        )
        table = rom.tabulated(model, Grid(6, (0.0, 100.0))).decoder
        return table.field(start), table(_points(dtype), start)

    return run, (cast(drawn, dtype), jnp.array([0.3, -0.2], dtype))


CASES = [
    Case(
        "fields from few points",
        _cheap,
        ("AbstractFieldDecoder", "CoarseDecoder", "SampledDecoder", "coarsened"),
        networks="a decoder",
    ),
    Case("fields by features", _readout, ("Readout", "RandomSines")),
    Case(
        "fields from a table",
        _tabulated,
        ("TabulatedDecoder", "tabulated"),
        networks="a decoder",
    ),
]
