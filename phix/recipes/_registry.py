"""Which recipes there are. Names only: a recipe's module is imported when asked for."""

import importlib
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

from phix._errors import nearest


class Recipe(Protocol):
    """What the command line asks of a recipe, which is a frozen dataclass of choices.

    Its docstring opens with one line for `phix list`; `reference` names the paper. Its
    module imports the other rooms inside the methods only, so that reading a config
    costs no JAX. Beyond that it has those of these jobs that make sense for it:

    - `run(directory, *, progress)`: the whole job, into a run directory; continues one
        that was interrupted. `report.md` is written last: a run directory holding one
        is finished.
    - `sweep(directory, *, progress)`: as `run`, of many points of a simulation.
    - `simulate(path)`: makes the recipe's data and writes them to a file.
    - `trajectory()`: the recipe's data where these are one `phix.data.Trajectory`,
        which can be drawn.
    - `evaluate(directory)`: metrics, figures and report of a finished run anew.
    - `forecast(directory, *, parameter, out, num_frames)`: one forecast of the fitted
        model at a parameter, to the file `out`.
    - `export(directory, out)`: the forecast of the fitted model as one file.
    """

    reference: ClassVar[str]


JOBS = ("run", "sweep", "simulate", "trajectory", "evaluate", "forecast", "export")


def recipe_job(recipe: Any, name: str) -> Callable:
    """One of the jobs of a recipe. **Raises:** `ValueError` if it has no such job."""
    if not hasattr(recipe, name):
        has = ", ".join(job for job in JOBS if hasattr(recipe, job))
        raise ValueError(
            f"recipe {recipe_name(type(recipe))!r} has no job {name!r}; it has: {has}"
        )
    return getattr(recipe, name)


_RECIPES: dict[str, str] = {
    "amangkurat": "phix.recipes.amangkurat:AmangkuratRecipe",
    "diffusion_principles": (
        "phix.recipes.diffusion_principles:DiffusionPrinciplesRecipe"
    ),
    "flair": "phix.recipes.field_posterior:FlairRecipe",
    "gauge_freedom": "phix.recipes.gauge_freedom:GaugeFreedomRecipe",
    "kinetic_optimal": "phix.recipes.kinetic_optimal:KineticOptimalRecipe",
    "phi_rom": "phix.recipes.phi_rom:PhiROMRecipe",
    "red_diff": "phix.recipes.field_posterior:RedDiffRecipe",
    "simulation": "phix.recipes.simulation:Simulation",
    "stochastic_interpolants": (
        "phix.recipes.stochastic_interpolants:StochasticInterpolants"
    ),
    "sweep": "phix.recipes.sweep:Sweep",
}


def register_recipe(name: str, target: str) -> None:
    """Makes `recipe = "name"` in a config select the class at `"module:Class"`."""
    if _RECIPES.setdefault(name, target) != target:
        raise ValueError(f"recipe {name!r} is already {_RECIPES[name]}, not {target}")


def recipe_names() -> tuple[str, ...]:
    """The registered names, sorted."""
    return tuple(sorted(_RECIPES))


def recipe_class(name: str) -> type:
    """The dataclass registered under `name`. **Raises:** `ValueError` if none is."""
    if name not in _RECIPES:
        raise ValueError(f"unknown recipe {name!r}{nearest(name, _RECIPES)}")
    module, _, attribute = _RECIPES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def recipe_name(cls: type) -> str:
    """The name under which `cls` is registered."""
    target = f"{cls.__module__}:{cls.__qualname__}"
    for name, registered in _RECIPES.items():
        if registered == target:
            return name
    raise ValueError(f"{target} is not a registered recipe (see `register_recipe`)")
