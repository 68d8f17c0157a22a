"""Whole fields without decoding every point: error against cost.

    python -m bench.rom.decoding RUN

Takes the model of a finished run of the recipe `phi_rom`, forecasts its test
trajectories and decodes every frame on the whole grid: point by point, by a table where
the decoder is affine in the latent, from coarser grids refined by their modes, and from
few points by a basis of decoded training fields.
Prints for each the seconds for one trajectory (median of interleaved calls, compiled),
how often faster it is than the solver, its distance from the decoder's own fields and
its error.
"""

import argparse
from pathlib import Path

import equinox as eqx
import jax
import numpy as np

from bench.timing import interleaved_times
from phix import rom
from phix.metrics import relative_l2
from phix.nn import FourierDecoder
from phix.recipes import load_config
from phix.rom._coarse import Resolution, Solver


SHARES = (0.75, 0.5, 0.375, 0.25)
RANKS = (32, 64, 128, 256)


def variants(model: rom.ReducedModel, grid) -> dict[str, rom.ReducedModel]:
    """The model with every way to decode."""
    made = {"all points": model}
    if isinstance(model.decoder, FourierDecoder):
        made["table"] = rom.tabulated(model, grid)
    if all(side.kind == "periodic" for axis in grid.boundary for side in axis):
        for share in SHARES:
            shape = tuple(2 * round(share * n / 2) for n in grid.shape)
            name = f"{'×'.join(map(str, shape))} refined"
            made[name] = rom.coarsened(model, grid, shape)
    for rank in RANKS:
        cheap = rom.low_rank(model, grid, rank, num_nodes=2 * rank)
        made[f"rank {rank}, {len(cheap.decoder.points)} points"] = cheap
    return made


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    choices = parser.parse_args()
    recipe = load_config(choices.run / "config.toml")
    model, train, test = recipe.load(choices.run)
    grid, ts = test.grid, np.asarray(test.ts[0])
    accept = rom.acceptance(model, train.us, train.grid)
    starts = rom.invert_frames(model, test.us[:, :1], grid, accept=accept).latent[:, 0]

    @eqx.filter_jit
    def forecasts(model, starts, cond):
        def one(start, cond):
            given = cond if model.parameters else None
            return rom.forecast(model, start, ts, cond=given, throw=False).latents

        return jax.vmap(one)(starts, cond)

    latents = forecasts(model, starts, test.cond)
    decode = eqx.filter_jit(lambda m, a: rom.decode_frames(m, a, grid))
    models = variants(model, grid)
    calls = {
        name: lambda other=other: decode(other, latents[0])
        for name, other in models.items()
    }
    steps = max(1, round((ts[1] - ts[0]) / recipe.equation.dt))
    solver = Solver(recipe.equation.build, recipe.equation.scheme(), test)
    solve = jax.jit(solver.run(Resolution(grid.shape, float(steps))))
    calls["solver"] = lambda: solve(test.us[0, 0], test.cond[0])
    seconds = {k: float(np.median(v)) for k, v in interleaved_times(calls).items()}
    print(f"{len(ts)} frames on {'×'.join(map(str, grid.shape))}, latents given")
    print(f"{'':<26}{'seconds':>10}{'× solver':>10}{'from all':>10}{'error':>10}")
    whole = [decode(model, a) for a in latents]
    for name, other in models.items():
        fields = [decode(other, a) for a in latents]
        apart = np.mean(
            [relative_l2(*pair) for pair in zip(fields, whole, strict=True)]
        )
        error = np.mean(
            [relative_l2(*pair) for pair in zip(fields, test.us, strict=True)]
        )
        gain = seconds["solver"] / seconds[name]
        print(
            f"{name:<26}{seconds[name]:>10.2e}{gain:>10.3g}{apart:>10.2g}{error:>10.3g}"
        )
    print(f"{'solver':<26}{seconds['solver']:>10.2e}")


if __name__ == "__main__":
    main()
