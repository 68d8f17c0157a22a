"""How it moves: solve, rollout and the time schemes behind them."""

from phix.integrate._etdrk import (
    ETDRK1 as ETDRK1,
    ETDRK2 as ETDRK2,
    ETDRK3 as ETDRK3,
    ETDRK4 as ETDRK4,
)
from phix.integrate._rollout import PerStep as PerStep, rollout as rollout
from phix.integrate._schemes import default_scheme as default_scheme
from phix.integrate._solve import solve as solve
from phix.integrate._split import AbstractSplitScheme as AbstractSplitScheme
from phix.integrate._stepper import (
    Stepper as Stepper,
    StepperState as StepperState,
    make_stepper as make_stepper,
)


__all__ = [
    "AbstractSplitScheme",
    "ETDRK1",
    "ETDRK2",
    "ETDRK3",
    "ETDRK4",
    "PerStep",
    "Stepper",
    "StepperState",
    "default_scheme",
    "make_stepper",
    "rollout",
    "solve",
]
