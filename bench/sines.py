"""Sine with its derivative, and the gradient of a sine network, against `jnp.sin`.

python -m bench.sines
"""

import jax
import jax.numpy as jnp
import jax.random as jr

from bench.timing import bootstrap, paired_times
from phix.num import sine


def derivative(function):
    """Sum of the sines and their derivatives of a million and a half numbers."""
    x = jr.normal(jr.key(0), (32, 1024, 48))
    return jax.jit(jax.value_and_grad(lambda x: jnp.sum(function(x)))), x


def network(function):
    """The gradient in the weights of four layers of 48 sines, at 32,768 points."""
    points = jr.uniform(jr.key(0), (32768, 48))
    weights = jr.normal(jr.key(1), (4, 48, 48)) / 7

    def loss(weights):
        h = points
        for weight in weights:
            h = function(h @ weight)
        return jnp.sum(h**2)

    return jax.jit(jax.grad(loss)), weights


def main() -> None:
    """Prints how many times `jnp.sin` takes as long, median and 95 % interval."""
    for case in (derivative, network):
        (theirs, x), (ours, _) = case(jnp.sin), case(sine)
        times = paired_times(lambda f=theirs, x=x: f(x), lambda f=ours, x=x: f(x))
        ratios = times[:, 0] / times[:, 1]
        low, high = bootstrap(ratios)
        middle = sorted(ratios)[len(ratios) // 2]
        print(f"{case.__name__}: {middle:.2f} [{low:.2f}, {high:.2f}]")


if __name__ == "__main__":
    main()
