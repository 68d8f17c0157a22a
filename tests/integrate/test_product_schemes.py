"""Every scheme on one equation of each refinement; half of `product.py`."""

import diffrax as dfx
import jax.lax as lax
import pytest

from tests.integrate.product import ALL_EQUATIONS, SCHEMES, SETTINGS, check, fits


REFINEMENTS = ("Vorticity", "Diffusion", "from_rhs", "from_step", "KleinGordon")
PAIRS = [
    (equation, name)
    for equation in REFINEMENTS
    for name, scheme in SCHEMES.items()
    if fits(scheme, ALL_EQUATIONS[equation](*SETTINGS[0])[0])
]
LINES = [
    pytest.param(
        ALL_EQUATIONS[equation],
        SCHEMES[name],
        *SETTINGS[i % len(SETTINGS)],
        id=f"{name}-{equation}",
    )
    for i, (equation, name) in enumerate(PAIRS)
]


@pytest.mark.parametrize(("build", "scheme", "dtype", "shape"), LINES)
def test_on_one_equation_of_each_refinement(build, scheme, dtype, shape):
    check(build, scheme, dtype, shape)


def test_number_of_compilations():
    assert len(PAIRS) + len(ALL_EQUATIONS) <= 60


class Forgetful(dfx.Heun):
    """Half of its derivative is lost."""

    def step(self, terms, t0, t1, y0, *rest, **named):
        y1, *others = super().step(terms, t0, t1, y0, *rest, **named)
        return 0.5 * (y1 + lax.stop_gradient(y1)), *others


def test_a_lost_derivative_is_noticed():
    with pytest.raises(AssertionError):
        check(ALL_EQUATIONS["from_rhs"], Forgetful(), *SETTINGS[0])
