"""Time schemes: any Diffrax solver, seen by the scan driver as one `advance`."""

import functools as ft
from collections.abc import Callable

import diffrax as dfx
import equinox as eqx
import jax.lax as lax
import jax.numpy as jnp
import jax.tree_util as jtu
import optimistix as optx
from diffrax import AbstractSolver, AbstractTerm

from phix._errors import Result
from phix._types import Array, PyTree, Real, RealScalar
from phix.integrate._barrier import unfused
from phix.integrate._etdrk import ETDRK4
from phix.integrate._split import AbstractSplitScheme, prepare_split
from phix.integrate._symplectic import (
    AbstractSymplectic,
    BlanesMoan4,
    prepare_symplectic,
)
from phix.pde import AbstractHamiltonian, AbstractSemilinear


# Diffrax marks "take the tolerance of the step size controller" by this sentinel.
_FROM_CONTROLLER = dfx.Kvaerno3().root_finder.rtol


@ft.singledispatch
def default_scheme(problem: object) -> AbstractSolver:
    """The scheme `solve` takes when none is given.

    Explicit Runge–Kutta of order 5(4), right for smooth non-stiff problems. A
    refinement of an equation registers its own by `default_scheme.register`.

    **Arguments:**

    - `problem`: an equation or a vector field.

    **Returns:** a Diffrax solver.
    """
    del problem
    return dfx.Tsit5()


@default_scheme.register
def _(problem: AbstractSemilinear) -> AbstractSolver:
    del problem
    return ETDRK4()


@default_scheme.register
def _(problem: AbstractHamiltonian) -> AbstractSolver:
    del problem
    return BlanesMoan4()


def explicit_tableau(scheme: AbstractSolver):
    """`(nodes, weights, rows)` of an explicit Runge–Kutta scheme, otherwise `None`."""
    if type(scheme) is dfx.Euler:
        return (0.0,), (1.0,), ((),)
    if (
        isinstance(scheme, dfx.AbstractERK)
        and isinstance(scheme.tableau, dfx.ButcherTableau)
        and type(scheme).step is dfx.AbstractERK.step
    ):
        tableau = scheme.tableau
        nodes = (float(tableau.c1), *map(float, tableau.c))
        rows = ((), *(tuple(map(float, row)) for row in tableau.a_lower))
        return nodes, tuple(map(float, tableau.b_sol)), rows
    return None


def make_advance(
    terms: PyTree[AbstractTerm], scheme: AbstractSolver, args: PyTree
) -> tuple[Callable, Callable, Callable]:
    """The functions `(prepare, init, advance)` that the scan driver runs.

    `prepare(t, h, y) -> tables` is what stays the same while h does;
    `init(t0, h, y, tables) -> memory`;
    `advance(t0, t1, h, y, memory, tables) -> (y, memory, code)`.
    """
    if isinstance(scheme, AbstractSplitScheme):
        return prepare_split(scheme, terms, args)
    if isinstance(scheme, AbstractSymplectic):
        return prepare_symplectic(scheme, terms, args)
    tableau = explicit_tableau(scheme)
    if tableau is not None and isinstance(terms, dfx.ODETerm):
        return _unrolled(terms, tableau, args)
    return _wrapped(terms, scheme, args)


def _unrolled(terms: dfx.ODETerm, tableau: tuple, args: PyTree):
    """Explicit stages written out: three times faster in reverse than Diffrax's loop.

    The step `h` is used as given: `t1 - t0` has lost digits once t is much larger.
    """
    nodes, weights, rows = tableau
    needed = _needed_stages(weights, rows)

    def advance(t0, t1, h, y, memory, tables):
        del tables
        stages = []
        for i, (node, row) in enumerate(zip(nodes, rows, strict=True)):
            if i not in needed:
                stages.append(None)
                continue
            t = t1 if node == 1 else t0 + node * h
            stage = unfused(_combine(y, h, row, stages), t)
            stages.append(unfused(terms.vf(t, stage, args), t))
        return _combine(y, h, weights, stages), memory, Result.successful

    return nothing, nothing, advance


def nothing(*args: object) -> tuple:
    """What a scheme prepares or remembers that needs neither."""
    del args
    return ()


def _needed_stages(weights: tuple, rows: tuple) -> set[int]:
    """Stages that reach the solution: an FSAL scheme's last feeds its error only."""
    needed = set()
    for i in reversed(range(len(weights))):
        if weights[i] != 0 or any(rows[j][i] != 0 for j in needed if j > i):
            needed.add(i)
    return needed


def _combine(y: PyTree, h: RealScalar, weights: tuple, stages: list) -> PyTree:
    """y + h Σ wᵢ kᵢ in the dtype of y."""
    pairs = [(w, k) for w, k in zip(weights, stages, strict=False) if w != 0]
    if not pairs:
        return y
    scales, ks = zip(*pairs, strict=True)

    def leaf(y, *ks):
        total = sum(w * k for w, k in zip(scales, ks, strict=True))
        return y + jnp.asarray(h, jnp.finfo(y.dtype).dtype) * total

    return jtu.tree_map(leaf, y, *ks)


def _wrapped(terms: PyTree[AbstractTerm], scheme: AbstractSolver, args: PyTree):
    """Any other Diffrax solver, its state carried through the scan."""
    if isinstance(scheme, dfx.AbstractRungeKutta) and scheme.scan_kind is None:
        # The default stage loop cannot be differentiated inside another scan cheaply.
        scheme = eqx.tree_at(
            lambda s: s.scan_kind, scheme, "bounded", is_leaf=lambda x: x is None
        )

    def init(t0, h, y, tables):
        del tables
        return _as_arrays(scheme.init(terms, t0, t0 + h, y, args))

    def advance(t0, t1, h, y, memory, tables):
        del h, tables
        y, _, _, memory, result = scheme.step(
            terms, t0, t1, y, args, memory, made_jump=False
        )
        failed = result != dfx.RESULTS.successful
        code = jnp.where(failed, Result.solver_failed, Result.successful)
        return y, _as_arrays(memory), code

    return nothing, init, advance


def _as_arrays(tree: PyTree) -> PyTree:
    """Python scalars in a solver's state become arrays, so that a scan can carry it."""
    return jtu.tree_map(
        lambda x: jnp.asarray(x) if isinstance(x, bool | int | float) else x, tree
    )


def with_tolerances(
    scheme: AbstractSolver,
    rtol: RealScalar,
    atol: RealScalar,
    y0: PyTree,
    h: Real[Array, " intervals"],
) -> AbstractSolver:
    """Fills in the root finder's tolerances, which Diffrax leaves to its controller.

    The unknown is du/dt. Rounding of a state, itself a sum of stages, moves it by some
    eps |u| / h, however stiff the problem: asking for less would never end.
    """
    if not isinstance(scheme, dfx.AbstractImplicitSolver):
        return scheme
    finest = [jnp.finfo(y.dtype).eps * jnp.max(jnp.abs(y)) for y in jtu.tree_leaves(y0)]
    floor = 64 * sum(finest) / jnp.min(h)
    atol = lax.stop_gradient(jnp.maximum(floor, atol))
    finder = scheme.root_finder
    for name, value in (("rtol", rtol), ("atol", atol), ("norm", optx.rms_norm)):
        if getattr(finder, name) is _FROM_CONTROLLER:
            finder = eqx.tree_at(lambda f, name=name: getattr(f, name), finder, value)
    return eqx.tree_at(lambda s: s.root_finder, scheme, finder)
