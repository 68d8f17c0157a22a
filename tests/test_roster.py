"""Every public object under every transformation; see `tests/rosters/case.py`.

The cases live in `tests/rosters/<room>.py`. With x64 off (the last test starts such a
process) only the float32 line runs.
"""

import functools
import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import pytest

import phix
from tests.rosters.case import Case


X64 = os.environ.get("PHIX_TEST_X64", "1") == "1"
ROSTERS = {
    path.stem: importlib.import_module(f"tests.rosters.{path.stem}")
    for path in sorted((Path(__file__).parent / "rosters").glob("*.py"))
    if path.stem not in ("__init__", "case")
}
CASES = [
    pytest.param(case, id=f"{room}-{case.name}")
    for room, roster in ROSTERS.items()
    for case in roster.CASES
]
# Rooms whose objects take and give no arrays, or only draw them.
WITHOUT_ARRAYS = {"cli", "recipes", "plot"}

# jit, vmap and the loop do the same operations in another order.
SAME = 1e-9


class _Floats:
    """A case as a function of its floating leaves, giving the arrays of its output."""

    def __init__(self, case: Case, dtype):
        self._fn, args = case.build(dtype)
        self.leaves, self._rest = eqx.partition(args, eqx.is_inexact_array)

    def __call__(self, leaves):
        return eqx.filter(self._fn(*eqx.combine(leaves, self._rest)), eqx.is_array)


# One building for all lines of a case: they run one after another.
@functools.lru_cache(maxsize=1)
def _float64(case: Case):
    fn = _Floats(case, jnp.float64)
    jitted = jax.jit(fn.__call__)
    return fn, jitted, jitted(fn.leaves)


def _leaves64(case: Case):
    return _float64(case)[0].leaves


def _numbers(tree):
    def plain(x):
        return jr.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x

    return [np.asarray(plain(x)) for x in jtu.tree_leaves(tree)]


def _assert_close(given, wanted, rtol):
    given, wanted = _numbers(given), _numbers(wanted)
    assert len(given) == len(wanted)
    for a, b in zip(given, wanted, strict=True):
        assert a.shape == b.shape
        if np.issubdtype(b.dtype, np.inexact):
            np.testing.assert_allclose(
                a, b, rtol=rtol, atol=rtol * _largest(b), equal_nan=True
            )
        else:
            np.testing.assert_array_equal(a, b)


def _largest(array):
    finite = np.abs(array[np.isfinite(array)])
    return float(finite.max(initial=0.0))


def check_jit(case: Case):
    fn, _, jitted = _float64(case)
    _assert_close(jitted, fn(fn.leaves), SAME)


def check_vmap(case: Case):
    fn, jitted, _ = _float64(case)
    copies = [jtu.tree_map(lambda x, s=s: x * s, fn.leaves) for s in (1.0, 1.01, 0.98)]
    stacked = jtu.tree_map(lambda *leaves: jnp.stack(leaves), *copies)
    looped = jtu.tree_map(lambda *xs: jnp.stack(xs), *map(jitted, copies))
    _assert_close(jax.jit(jax.vmap(fn.__call__))(stacked), looped, SAME)


def check_gradient(case: Case):
    fn, _, value = _float64(case)
    floats, _ = eqx.partition(value, eqx.is_inexact_array)
    weights = _normal(floats, jr.key(1))
    direction = jtu.tree_map(
        lambda v, x: v * jnp.where(jnp.any(x), jnp.sqrt(jnp.mean(jnp.abs(x) ** 2)), 1),
        _normal(fn.leaves, jr.key(2)),
        fn.leaves,
    )

    def weighted(leaves):
        outputs, _ = eqx.partition(fn(leaves), eqx.is_inexact_array)
        return _dot(weights, outputs)

    def along(eps):
        step = jtu.tree_map(lambda x, v: x + eps * v, fn.leaves, direction)
        return at(step)

    at = jax.jit(weighted)
    # Conjugated: JAX's gradient of a real function of z is ∂/∂x − i ∂/∂y.
    gradient = jtu.tree_map(jnp.conj, jax.jit(jax.grad(weighted))(fn.leaves))
    by_ad = float(_dot(gradient, direction))
    by_differences = _derivative(along)
    size = sum(_largest(x) for x in _numbers(floats))
    assert np.isfinite(by_ad)
    assert abs(by_ad - by_differences) <= 1e-6 * abs(by_differences) + 1e-11 * size


def _derivative(along):
    """Fourth-order central differences, of the step size at which they agree best."""
    values = []
    for eps in (1e-2, 1e-3, 1e-4, 1e-5):
        near, far = along(eps) - along(-eps), along(2 * eps) - along(-2 * eps)
        values.append(float(8 * near - far) / (12 * eps))
    changes = np.abs(np.diff(values))
    return values[int(np.argmin(changes)) + 1]


def _normal(tree, key):
    leaves, structure = jtu.tree_flatten(tree)
    keys = jr.split(key, max(len(leaves), 1))
    pairs = zip(keys, leaves, strict=False)
    return structure.unflatten([jr.normal(k, x.shape, x.dtype) for k, x in pairs])


def _dot(a, b):
    products = jtu.tree_map(lambda x, y: jnp.sum(jnp.real(jnp.conj(x) * y)), a, b)
    return sum(jtu.tree_leaves(products), start=jnp.zeros(()))


def check_float32(case: Case):
    fn = _Floats(case, jnp.float32)
    for leaf in jtu.tree_leaves(fn.leaves):
        assert leaf.dtype in (jnp.float32, jnp.complex64), "build ignores its dtype"
    value = jax.jit(fn.__call__)(fn.leaves)
    for leaf in jtu.tree_leaves(value):
        assert leaf.dtype not in (jnp.float64, jnp.complex128)
    if X64:
        # At the rounded arguments: how ill-posed the problem is, is not the question.
        same = jtu.tree_map(lambda a, b: a.astype(b.dtype), fn.leaves, _leaves64(case))
        _assert_close(value, _float64(case)[1](same), case.float32_rtol)
    else:
        assert all(np.isfinite(x).all() for x in _numbers(value))


only_with_x64 = pytest.mark.skipif(not X64, reason="compares in float64")


@only_with_x64
@pytest.mark.parametrize("case", CASES)
def test_jit_equals_eager(case):
    check_jit(case)


@only_with_x64
@pytest.mark.parametrize("case", [p for p in CASES if not p.values[0].no_vmap])
def test_vmap_equals_a_loop(case):
    check_vmap(case)


@only_with_x64
@pytest.mark.parametrize("case", [p for p in CASES if not p.values[0].no_grad])
def test_gradient_equals_central_differences(case):
    check_gradient(case)


@pytest.mark.parametrize("case", CASES)
def test_float32_stays_float32(case):
    check_float32(case)


@jax.custom_jvp
def _wrong_derivative(x):
    return x**2


@jax.custom_batching.custom_vmap
def _wrong_under_vmap(x):
    return 2 * x


@_wrong_under_vmap.def_vmap
def _(size, batched, x):
    return 2.001 * x, batched[0]


_wrong_derivative.defjvp(lambda xs, dxs: (xs[0] ** 2, 2.001 * xs[0] * dxs[0]))


@only_with_x64
@pytest.mark.parametrize(
    ("check", "fn"),
    [
        (check_jit, lambda x: x + isinstance(x, jax.core.Tracer)),
        (check_vmap, _wrong_under_vmap),
        (check_gradient, _wrong_derivative),
        (check_gradient, lambda x: x * jax.lax.stop_gradient(x)),
        (check_float32, lambda x: x * np.float64(1.0).reshape(1)),
        (check_float32, lambda x: jnp.sin(1e6 * x)),
    ],
)
def test_a_broken_object_is_caught(check, fn):
    case = Case("broken", lambda dtype: (fn, (jnp.arange(1, 4, dtype=dtype) / 3,)), ())
    with pytest.raises(AssertionError):
        check(case)


@pytest.mark.parametrize(
    "room",
    sorted(
        {info.name for info in pkgutil.iter_modules(phix.__path__) if info.ispkg}
        - WITHOUT_ARRAYS
    ),
)
def test_every_public_name_is_in_the_roster_or_excused(room):
    public = set(importlib.import_module(f"phix.{room}").__all__)
    covered = {
        name for r in ROSTERS.values() for case in r.CASES for name in case.covers
    }
    exempt = getattr(ROSTERS.get(room), "EXEMPT", {})
    assert public - covered - set(exempt) == set(), "neither covered nor exempt"
    assert set(exempt) - public == set(), "exempt, but not public"
    assert all(len(reason.split()) > 2 for reason in exempt.values())


def test_every_covered_name_exists():
    public = set()
    for info in pkgutil.iter_modules(phix.__path__):
        if info.ispkg:
            public |= set(importlib.import_module(f"phix.{info.name}").__all__)
    for param in CASES:
        assert set(param.values[0].covers) <= public, param.id


@only_with_x64
def test_float32_in_a_process_without_x64():
    arguments = ["-m", "pytest", "-q", "-n", "0", "-k", "float32_stays", __file__]
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PHIX_TEST_X64": "0"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert f"{len(CASES)} passed" in done.stdout
