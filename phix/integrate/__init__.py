"""How it moves: solve, rollout and the time schemes behind them."""

from phix.integrate._courant import Courant as Courant
from phix.integrate._etdrk import (
    ETDRK1 as ETDRK1,
    ETDRK2 as ETDRK2,
    ETDRK3 as ETDRK3,
    ETDRK4 as ETDRK4,
)
from phix.integrate._imex import CNAB2 as CNAB2, SBDF2 as SBDF2, SBDF3 as SBDF3
from phix.integrate._imex_rk import (
    ARK4 as ARK4,
    ARS222 as ARS222,
    ARS443 as ARS443,
)
from phix.integrate._lawson import (
    Lawson3 as Lawson3,
    Lawson4 as Lawson4,
    Lawson5 as Lawson5,
    LawsonBS5 as LawsonBS5,
)
from phix.integrate._march import Marched as Marched, march as march
from phix.integrate._multistep import (
    EGLM4 as EGLM4,
    EGLM5 as EGLM5,
    EGLM6 as EGLM6,
    ETDAB2 as ETDAB2,
    ETDAB3 as ETDAB3,
    ETDAB4 as ETDAB4,
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
from phix.integrate._symplectic import (
    AbstractSymplectic as AbstractSymplectic,
    BlanesMoan4 as BlanesMoan4,
    BlanesMoan6 as BlanesMoan6,
    Splitting4 as Splitting4,
    Splitting6 as Splitting6,
    StormerVerlet as StormerVerlet,
    Strang as Strang,
    Yoshida4 as Yoshida4,
)


__all__ = [
    "ARK4",
    "ARS222",
    "ARS443",
    "AbstractSplitScheme",
    "AbstractSymplectic",
    "BlanesMoan4",
    "BlanesMoan6",
    "CNAB2",
    "Courant",
    "EGLM4",
    "EGLM5",
    "EGLM6",
    "ETDAB2",
    "ETDAB3",
    "ETDAB4",
    "ETDRK1",
    "ETDRK2",
    "ETDRK3",
    "ETDRK4",
    "Lawson3",
    "Lawson4",
    "Lawson5",
    "LawsonBS5",
    "Marched",
    "PerStep",
    "SBDF2",
    "SBDF3",
    "Splitting4",
    "Splitting6",
    "Stepper",
    "StepperState",
    "StormerVerlet",
    "Strang",
    "Yoshida4",
    "default_scheme",
    "make_stepper",
    "march",
    "rollout",
    "solve",
]
