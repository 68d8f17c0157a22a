"""Every equation by its default scheme; half of `tests/integrate/product.py`."""

import inspect

import pytest

from phix import pde
from tests.integrate.product import ALL_EQUATIONS, SCHEMES, SETTINGS, check, fits


LINES = [
    pytest.param(build, *SETTINGS[i % len(SETTINGS)], id=name)
    for i, (name, build) in enumerate(ALL_EQUATIONS.items())
]


@pytest.mark.parametrize(("build", "dtype", "shape"), LINES)
def test_by_its_own_scheme(build, dtype, shape):
    check(build, None, dtype, shape)


def test_no_equation_is_missing():
    classes = {
        value
        for value in vars(pde).values()
        if inspect.isclass(value) and issubclass(value, pde.AbstractEquation)
    }
    built = {type(build(*SETTINGS[0])[0]) for build in ALL_EQUATIONS.values()}
    assert {c for c in classes if not c.__name__.startswith("Abstract")} <= built


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_every_equation_by_every_scheme():
    """The full product, a minute per equation; `-s` shows what came out."""
    failed, count = [], 0
    for name, build in ALL_EQUATIONS.items():
        outcomes = []
        for label, scheme in SCHEMES.items():
            dtype, shape = SETTINGS[count % len(SETTINGS)]
            if not fits(scheme, build(dtype, shape)[0]):
                continue
            count += 1
            try:
                check(build, scheme, dtype, shape)
                outcomes.append(label)
            except AssertionError:
                outcomes.append(f"{label} FAILED")
                failed.append((name, label, dtype.__name__, shape))
        print(f"{name}: {', '.join(outcomes) or 'steps by itself'}", flush=True)
    print(f"{count} pairs of an equation and a scheme, {len(failed)} failed")
    assert not failed
