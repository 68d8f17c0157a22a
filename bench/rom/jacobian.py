"""The decoder's Jacobian in the latents: reverse mode point by point, and forward mode.

    python -m bench.rom.jacobian

At the Navier–Stokes settings of Φ-ROM (r = 100, two channels, 409 points, 16 latents)
and at those of Burgers (r = 4, one channel, 26 points, 800 latents): the Jacobian
alone, and the gradient of a function of it. Median of interleaved pairs, with the 95 %
bootstrap interval of the ratio; compilation counted for neither.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from bench.timing import bootstrap, paired_times
from phix import nn


CASES = {
    "Navier–Stokes": (nn.FourierDecoder, 2, 2, 100, 80, 3, 409, 16),
    "Burgers": (nn.SineDecoder, 1, 1, 4, 32, 4, 26, 800),
}


def measure(kind, dim, channels, latents, width, depth, points, batch) -> None:
    """Prints both ratios of one case."""
    box = nn.MinMax(jnp.zeros(dim), jnp.ones(dim))
    fields = nn.Standardiser(jnp.zeros(channels), jnp.ones(channels))
    decoder = kind(
        box, fields, latent_size=latents, width=width, depth=depth, key=jr.key(0)
    )
    where = jr.uniform(jr.key(1), (points, dim))
    table = 0.1 * jr.normal(jr.key(2), (batch, latents))

    def reverse(decoder, latent):
        return decoder.jacobian(where, latent)

    def forward(decoder, latent):
        return jax.jacfwd(lambda a: decoder(where, a))(latent)

    def compiled(jacobian, gradient):
        def whole(decoder):
            return jax.vmap(lambda a: jacobian(decoder, a))(table)

        run = whole
        if gradient:
            run = eqx.filter_grad(lambda d: jnp.sum(jnp.sin(whole(d))))
        run = eqx.filter_jit(run)
        return lambda: eqx.filter(run(decoder), eqx.is_array)

    for name, gradient in (("Jacobian", False), ("its gradient", True)):
        times = paired_times(compiled(forward, gradient), compiled(reverse, gradient))
        ratios = times[:, 0] / times[:, 1]
        low, high = bootstrap(ratios)
        slow, fast = 1e3 * np.median(times, axis=0)
        print(f"  {name:<13} forward {slow:7.2f} ms, reverse {fast:7.2f} ms, "
              f"ratio {np.median(ratios):.1f} [{low:.1f}, {high:.1f}]")  # fmt: skip


if __name__ == "__main__":
    for case, sizes in CASES.items():
        print(case)
        measure(*sizes)
