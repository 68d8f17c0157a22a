"""phix as a Mosaic solver: the endpoints that the folders in `solvers/` export.

Only the public interface of phix is used. Viscosity, step and field are traced, the
number of steps and the size of the box are static, so a sweep over ν compiles once.
Dealiasing is off, as in Mosaic's Exponax entry.
"""

import contextlib
import functools as ft
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from mosaic_shared.problems.navier_stokes_grid import (
    InputSchema as Inputs,
    OutputSchema as Outputs,
)
from mosaic_shared.schema_types import make_differentiable

from phix import Grid
from phix.integrate import make_stepper
from phix.num import checkpointed_scan
from phix.pde import NavierStokes


TRACED = ("v0", "viscosity", "dt")
# The plain tape is fastest; from here on its memory would grow without bound.
PLAIN_STEPS = 200


class InputSchema(make_differentiable(Inputs, [*TRACED])):
    """Mosaic's inputs."""


class OutputSchema(make_differentiable(Outputs, ["result"])):
    """Mosaic's outputs."""


def simulate(v0, viscosity, dt, *, steps, extent, scheme, dtype, memory=None):
    """The velocity after `steps` steps, components last as in Mosaic."""
    planar = v0.shape[-1] == 2
    u0 = jnp.moveaxis(v0[:, :, 0] if planar else v0, -1, 0).astype(dtype)
    grid = Grid(u0.shape[1:], (0.0, extent))
    equation = NavierStokes(grid, viscosity[0].astype(dtype), dealias=1.0)
    stepper, state = make_stepper(equation, u0, dt[0].astype(dtype), scheme=scheme)
    state, _ = checkpointed_scan(
        lambda state, _: (stepper(state), None), state, length=steps, memory=memory
    )
    u = jnp.moveaxis(stepper.observe(state), 0, -1)
    return u[:, :, None] if planar else u


def states_kept(steps: int) -> int | None:
    """The memory of the gradient, in states: three nested loops for long runs."""
    if steps <= PLAIN_STEPS:
        return None
    return round(16 * steps ** (1 / 3))


def endpoints(scheme: Any, dtype: str) -> tuple[Callable, Callable, Callable]:
    """Mosaic's `apply`, `vector_jacobian_product` and `abstract_eval`.

    **Arguments:**

    - `scheme`: a time scheme of phix.
    - `dtype`: the precision inside; Mosaic hands over and takes back float32.
    """

    @ft.partial(jax.jit, static_argnames=("steps", "extent", "memory"))
    def run(traced, steps, extent, memory=None):
        result = simulate(
            **traced,
            steps=steps,
            extent=extent,
            scheme=scheme,
            dtype=dtype,
            memory=memory,
        )
        return result.astype(jnp.float32)

    @ft.partial(jax.jit, static_argnames=("steps", "extent", "memory"))
    def pull_back(traced, fixed, cotangent, steps, extent, memory):
        def run_from(traced):
            return run({**traced, **fixed}, steps, extent, memory)

        return jax.vjp(run_from, traced)[1](cotangent)[0]

    def apply(inputs: InputSchema) -> OutputSchema:
        with precision(dtype):
            return {"result": np.asarray(run(traced_inputs(inputs), *static(inputs)))}

    def vector_jacobian_product(
        inputs: InputSchema,
        vjp_inputs: set[str],
        vjp_outputs: set[str],
        cotangent_vector: dict[str, Any],
    ) -> dict[str, Any]:
        del vjp_outputs
        given = traced_inputs(inputs)
        wanted = {name: given.pop(name) for name in TRACED if name in vjp_inputs}
        with precision(dtype):
            gradient = pull_back(
                wanted,
                given,
                np.asarray(cotangent_vector["result"], np.float32),
                *static(inputs),
                states_kept(inputs.steps),
            )
        return {name: np.asarray(value) for name, value in gradient.items()}

    def abstract_eval(abstract_inputs: InputSchema) -> dict[str, Any]:
        shape = abstract_inputs.model_dump()["v0"]["shape"]
        return {"result": {"shape": tuple(shape), "dtype": "float32"}}

    return apply, vector_jacobian_product, abstract_eval


def traced_inputs(inputs: InputSchema) -> dict[str, np.ndarray]:
    if not inputs.boundary_conditions.is_fully_periodic or inputs.obstacle is not None:
        raise ValueError("phix's entry is periodic only, without obstacles")
    return {name: np.asarray(getattr(inputs, name), np.float32) for name in TRACED}


def static(inputs: InputSchema) -> tuple[int, float]:
    return inputs.steps, float(inputs.domain_extent)


def precision(dtype: str):
    """float64 needs JAX's 64-bit mode, here only inside the endpoints."""
    return jax.enable_x64(True) if dtype == "float64" else contextlib.nullcontext()
