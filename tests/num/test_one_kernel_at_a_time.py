"""Batched linear algebra runs one kernel after the other.

jaxlib's batched LAPACK kernels on CPUs hand parts of their work to the pool that they
run in, and wait for them there: as many of them at once as there are cores wait for
ever. So no two may be ready at the same time. (A QR counts as one kernel here, though Q
is formed by a second one.)
"""

import jax
import jax.numpy as jnp
import pytest
from jax.extend.core import Literal

from phix import num
from phix.num import _least_squares


KERNELS = {"cholesky", "triangular_solve", "qr", "lu", "eigh", "eig", "svd"}
TALL = jnp.linspace(-1.0, 1.0, 24).reshape(8, 3) ** 3


def subjaxprs(eqn):
    """The programs inside an equation."""
    for value in eqn.params.values():
        for part in value if isinstance(value, tuple) else (value,):
            if hasattr(part, "eqns") or hasattr(part, "jaxpr"):
                yield getattr(part, "jaxpr", part)


def kernels_in(jaxpr, known, orders):
    """What every result waits for; `orders` gets what each kernel does."""

    def waits(atoms):
        found = (known.get(a, set()) for a in atoms if not isinstance(a, Literal))
        return set().union(*found)

    for eqn in jaxpr.eqns:
        before, inner = waits(eqn.invars), list(subjaxprs(eqn))
        if eqn.primitive.name in KERNELS:
            orders[len(orders)] = before
            before = before | {len(orders) - 1}
        for part in inner:
            aligned = zip(reversed(part.invars), reversed(eqn.invars), strict=False)
            inside = {v: waits([a]) for v, a in aligned}
            results = kernels_in(part, inside, orders)
            if eqn.primitive.name == "jit":
                known.update(zip(eqn.outvars, results, strict=True))
            before = before.union(*results)
        for v in eqn.outvars:
            known.setdefault(v, before)
    return [waits([v]) for v in jaxpr.outvars]


def check_one_at_a_time(fn, batch):
    """Of any two kernels one waits for the other."""
    orders = {}
    kernels_in(jax.make_jaxpr(jax.vmap(fn))(batch).jaxpr, {}, orders)
    assert len(orders) >= 3
    for late in orders:
        for early in range(late):
            assert early in orders[late]


def fitted(factor):
    def fit(b):
        def residual(x, b):
            return TALL @ jnp.sin(x) - b

        return num.least_squares(residual, jnp.zeros(3), args=b, factor=factor).x

    return fit


BATCH = jnp.linspace(0.0, 1.0, 16).reshape(2, 8)


@pytest.mark.parametrize("factor", ["qr", "cholesky"])
def test_least_squares(factor):
    check_one_at_a_time(fitted(factor), BATCH)


def test_a_step_that_does_not_wait_is_noticed(monkeypatch):
    """It needs R alone, while c is being solved for."""
    monkeypatch.setattr(_least_squares, "_once_known", lambda c, R: R)
    with pytest.raises(AssertionError):
        check_one_at_a_time(fitted("cholesky"), BATCH)
