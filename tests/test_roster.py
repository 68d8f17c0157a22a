"""Every public object under every transformation; see `tests/rosters/case.py`.

The cases live in `tests/rosters/<room>.py`. With x64 off (the last test starts such a
process) only the float32 line runs.
"""

import functools
import importlib
import os
import pkgutil
import re
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
    if path.stem not in ("__init__", "case", "equations", "posteriors")
}
CASES = [
    (f"{room}-{case.name}", case)
    for room, roster in ROSTERS.items()
    for case in roster.CASES
]
# Half of the lines; in a file of their own, which runs beside this one.
PHYSICS = ("pde", "integrate")
# Rooms whose objects take and give no arrays, only draw them, or write them to files.
WITHOUT_ARRAYS = {"cli", "recipes", "plot", "sweeps"}

# jit, vmap and the loop do the same operations in another order.
SAME = 1e-9


class _Built:
    """A case as a function of its floating leaves, giving the arrays of its output."""

    def __init__(self, case: Case, dtype):
        self._fn, args = case.build(dtype)
        self.leaves, self._rest = eqx.partition(args, eqx.is_inexact_array)
        self.jitted = jax.jit(self.__call__)
        self.value = self.jitted(self.leaves)

    def __call__(self, leaves):
        return eqx.filter(self._fn(*eqx.combine(leaves, self._rest)), eqx.is_array)


class _Transformed:
    """A case in float64 under the transformations, compiled together to save time."""

    def __init__(self, case: Case):
        self.built = built = _Built(case, jnp.float64)
        self.weights = _normal(_floats(built.value), 1)
        scales = (1.0,) if case.no_vmap else (1.0, 1.01, 0.98)
        self.copies = [jtu.tree_map(lambda x, s=s: x * s, built.leaves) for s in scales]

        def weighted(leaves):
            value = built(leaves)
            return _dot(self.weights, _floats(value)), value

        def both(leaves):
            if case.no_grad:
                return built(leaves), None
            gradient, value = jax.grad(weighted, has_aux=True)(leaves)
            return value, gradient

        if case.no_vmap:
            self.values, self.gradient = jax.jit(both)(built.leaves)
        else:
            self.values, gradients = jax.jit(jax.vmap(both))(_stack(self.copies))
            self.gradient = jtu.tree_map(lambda x: x[0], gradients)


# The lines of one case run one after another: one is kept at a time.
_transformed = functools.lru_cache(maxsize=1)(_Transformed)


def _stack(trees):
    return jtu.tree_map(lambda *leaves: jnp.stack(leaves), *trees)


def _floats(tree):
    return eqx.filter(tree, eqx.is_inexact_array)


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
    built = _transformed(case).built
    _assert_close(built.value, built(built.leaves), SAME)


def check_vmap(case: Case):
    all_of_it = _transformed(case)
    looped = _stack([all_of_it.built.jitted(copy) for copy in all_of_it.copies])
    _assert_close(all_of_it.values, looped, SAME)


def check_gradient(case: Case):
    """Along a random direction, as long as the argument itself."""
    all_of_it = _transformed(case)
    built, weights = all_of_it.built, all_of_it.weights
    direction = jtu.tree_map(
        lambda v, x: v * jnp.where(jnp.any(x), jnp.sqrt(jnp.mean(jnp.abs(x) ** 2)), 1),
        _normal(built.leaves, 2),
        built.leaves,
    )

    def along(eps):
        moved = jtu.tree_map(lambda x, v: x + eps * v, built.leaves, direction)
        return _dot(weights, _floats(built.jitted(moved)))

    # Conjugated: JAX's gradient of a real function of z is ∂/∂x − i ∂/∂y.
    by_ad = _dot(jtu.tree_map(jnp.conj, all_of_it.gradient), direction)
    by_differences = _derivative(along)
    size = sum(_largest(x) for x in _numbers(_floats(built.value)))
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


def _normal(tree, seed):
    """Noise of a tree's shapes, from NumPy: nothing to compile."""
    generator = np.random.default_rng(seed)

    def draw(x):
        noise = generator.normal(size=(2, *x.shape))
        return jnp.asarray(
            noise[0] + 1j * noise[1] if jnp.iscomplexobj(x) else noise[0]
        )

    return jtu.tree_map(draw, tree)


def _dot(a, b):
    products = jtu.tree_map(lambda x, y: jnp.sum(jnp.real(jnp.conj(x) * y)), a, b)
    return sum(jtu.tree_leaves(products), start=jnp.zeros(()))


def check_float32(case: Case):
    single = _Built(case, jnp.float32)
    for leaf in jtu.tree_leaves(single.leaves):
        assert leaf.dtype in (jnp.float32, jnp.complex64), "build ignores its dtype"
    for leaf in jtu.tree_leaves(single.value):
        assert leaf.dtype not in (jnp.float64, jnp.complex128)
    if not X64:
        assert all(np.isfinite(x).all() for x in _numbers(single.value))
        return
    # At the rounded arguments: how ill-posed the problem is, is not the question.
    double = _transformed(case).built
    same = jtu.tree_map(lambda a, b: a.astype(b.dtype), single.leaves, double.leaves)
    _assert_close(single.value, double.jitted(same), case.float32_rtol)


def check_lowers(case: Case):
    """For accelerators that are not here, from the program alone: nothing in it calls
    back to the host, every operation is known there, and only networks multiply in less
    than the precision of their arguments, which is what TPUs do if not told."""
    fn, args = case.build(jnp.float32)
    leaves, rest = eqx.partition(args, eqx.is_inexact_array)

    def arrays(leaves):
        return eqx.filter(fn(*eqx.combine(leaves, rest)), eqx.is_array)

    platforms = ("cpu", "cuda") if case.no_tpu else ("cpu", "cuda", "tpu")
    # The one kernel of GPUs that JAX does not promise to keep.
    unkept = jax.export.DisabledSafetyCheck.custom_call("cuhybrid_eig_real")
    export = jax.export.export(
        jax.jit(arrays), platforms=platforms, disabled_checks=[unkept]
    )
    try:
        lowered = export(leaves)
    except NotImplementedError as error:
        raise AssertionError(f"does not lower for {platforms}: {error}") from error
    assert lowered.platforms == platforms
    rough = [
        line
        for line in lowered.mlir_module().splitlines()
        if re.search(r"stablehlo\.(dot_general|convolution)\b.*f(32|64)>", line)
        and "HIGHEST" not in line
    ]
    assert bool(rough) == bool(case.networks), rough[:3]


def lines(rooms):
    """The checks of all cases of some rooms."""
    for name, case in CASES:
        if name.partition("-")[0] not in rooms:
            continue
        marks = pytest.mark.slow if case.slow else ()
        line = functools.partial(pytest.param, marks=marks)
        if X64:
            yield line(check_jit, case, id=f"{name}-jit")
            if not case.no_vmap:
                yield line(check_vmap, case, id=f"{name}-vmap")
            if not case.no_grad:
                yield line(check_gradient, case, id=f"{name}-gradient")
        yield line(check_float32, case, id=f"{name}-float32")
        if not case.no_lowering:  # quick even where the other lines are slow
            yield pytest.param(check_lowers, case, id=f"{name}-lowers")


@pytest.mark.parametrize(("check", "case"), list(lines(set(ROSTERS) - {*PHYSICS})))
def test_public_objects(check, case):
    check(case)


only_with_x64 = pytest.mark.skipif(not X64, reason="compares in float64")


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
        (check_float32, lambda x: jnp.sin(1e7 * x)),
        (check_lowers, lambda x: jax.pure_callback(np.asarray, x, x)),
        (check_lowers, lambda x: jnp.linalg.eigvals(jnp.diag(x))),  # not on TPUs
        (check_lowers, lambda x: x @ x),  # in bfloat16 on TPUs
    ],
)
def test_a_broken_object_is_caught(check, fn):
    args = (np.arange(1, 4) / 3,)
    case = Case(
        "broken",
        lambda dtype: (fn, jtu.tree_map(lambda x: jnp.asarray(x, dtype), args)),
        covers=(),
        no_grad="" if check is check_gradient else "another line is looked at",
    )
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
    for name, case in CASES:
        assert set(case.covers) <= public, name


@only_with_x64
# Slow: it compiles every line once more; float32 with x64 on is in the default suite.
@pytest.mark.slow
def test_float32_in_a_process_without_x64():
    which = ["-n", "0", "-m", "", "-k", "public_objects"]
    physics = Path(__file__).with_name("test_roster_physics.py")
    arguments = ["-m", "pytest", "-q", *which, __file__, str(physics)]
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PHIX_TEST_X64": "0"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert f"{len(CASES)} passed" in done.stdout
