"""Errors that teach, and the result codes that every loop returns."""

import difflib
import enum
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    import numpy as np


class Result(enum.IntEnum):
    """What became of a loop, which carries it as an int32 array under `vmap`."""

    successful = 0
    non_finite = 1
    not_converged = 2
    invalid_parameter = 3
    max_steps_reached = 4
    solver_failed = 5
    hopeless = 6


_MEANING = {
    Result.successful: "finished",
    Result.non_finite: (
        "the state became non-finite; take a smaller step (see `stable_step`) or a "
        "more stable scheme"
    ),
    Result.not_converged: (
        "the iteration did not reach its tolerance; allow more iterations, loosen the "
        "tolerance or start nearer to the solution"
    ),
    Result.invalid_parameter: (
        "a physical parameter or an input lies outside the range the equation allows"
    ),
    Result.max_steps_reached: "the step limit was reached; raise `max_steps`",
    Result.solver_failed: "the integrator or its inner solve failed",
    Result.hopeless: "not run, since `hopeless` of the sweep was true for it",
}


class PhixError(RuntimeError):
    """A failure at run time, with its `result` code."""

    def __init__(self, message: str, result: Result):
        super().__init__(message)
        self.result = result


def describe(code: int) -> str:
    """The result code in words, with what to try next."""
    result = Result(int(code))
    return f"{result.name}: {_MEANING[result]}"


def is_concrete(*values: object) -> bool:
    """Whether every value can be looked at now, i.e. none is being traced."""
    import jax
    from jax.core import Tracer

    return not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(values))


def eagerly(*values: object) -> AbstractContextManager:
    """Where the values are known, computes with them at once, also inside `jit`."""
    import jax

    return jax.ensure_compile_time_eval() if is_concrete(values) else nullcontext()


def checked_dtype(dtype: Any) -> "np.dtype":
    """The dtype asked for; `ValueError` where JAX would quietly halve its precision."""
    import jax
    import numpy as np

    asked = np.dtype(
        dtype if dtype is not None else jax.dtypes.canonicalize_dtype(float)
    )
    wide = asked.name in ("float64", "complex128")
    require(
        not wide or bool(jax.config.read("jax_enable_x64")),
        f"dtype {asked.name} asked for while x64 is off; call "
        'jax.config.update("jax_enable_x64", True) first, or ask for float32',
    )
    return asked


def require(condition: bool, message: str) -> None:
    """Raises `ValueError(message)` unless `condition` holds."""
    if not condition:
        raise ValueError(message)


def nearest(name: str, choices: Iterable[str]) -> str:
    """A hint " (did you mean 'x'?)" for a misspelt `name`, or the list of choices."""
    choices = list(choices)
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    if close:
        return f" (did you mean {close[0]!r}?)"
    return f" (choose from {', '.join(sorted(choices))})"
