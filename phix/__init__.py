"""phix: differentiable physics in JAX.

The names a user types most, resolved on first use; the rooms hold the rest
(`phix.space`, `phix.pde`, `phix.integrate`, …).
"""

import importlib
from typing import TYPE_CHECKING, Any

from phix._errors import nearest


if TYPE_CHECKING:
    from phix.data import (
        Trajectory as Trajectory,
        load_artifact as load_artifact,
        load_trajectories as load_trajectories,
        save_trajectories as save_trajectories,
    )
    from phix.integrate import (
        make_stepper as make_stepper,
        rollout as rollout,
        solve as solve,
    )
    from phix.parallel import batch_map as batch_map, make_mesh as make_mesh
    from phix.pde import (
        Burgers as Burgers,
        Diffusion as Diffusion,
        NavierStokes as NavierStokes,
        Vorticity as Vorticity,
        from_rhs as from_rhs,
        from_step as from_step,
        from_symbol as from_symbol,
    )
    from phix.space import Grid as Grid, random_sensors as random_sensors
    from phix.sweeps import sweep as sweep
    from phix.train import fit as fit, per_sample as per_sample

_ROOM_OF = {
    "Burgers": "pde",
    "Diffusion": "pde",
    "Grid": "space",
    "NavierStokes": "pde",
    "Trajectory": "data",
    "Vorticity": "pde",
    "batch_map": "parallel",
    "fit": "train",
    "from_rhs": "pde",
    "from_step": "pde",
    "from_symbol": "pde",
    "load_artifact": "data",
    "load_trajectories": "data",
    "make_mesh": "parallel",
    "make_stepper": "integrate",
    "per_sample": "train",
    "random_sensors": "space",
    "rollout": "integrate",
    "save_trajectories": "data",
    "solve": "integrate",
    "sweep": "sweeps",
}

_ROOMS = (
    "data",
    "integrate",
    "metrics",
    "nn",
    "num",
    "parallel",
    "pde",
    "plot",
    "recipes",
    "rom",
    "score",
    "space",
    "sweeps",
    "train",
)

__all__ = [
    "Burgers",
    "Diffusion",
    "Grid",
    "NavierStokes",
    "Trajectory",
    "Vorticity",
    "batch_map",
    "fit",
    "from_rhs",
    "from_step",
    "from_symbol",
    "load_trajectories",
    "make_mesh",
    "make_stepper",
    "per_sample",
    "random_sensors",
    "rollout",
    "save_trajectories",
    "solve",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"phix.{name}")
    if name in _ROOM_OF:
        value = getattr(importlib.import_module(f"phix.{_ROOM_OF[name]}"), name)
        globals()[name] = value
        return value
    hint = nearest(name, [*_ROOM_OF, *_ROOMS])
    raise AttributeError(f"module 'phix' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_ROOMS, "__doc__"])
