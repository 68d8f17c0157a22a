"""How it moves: solve, rollout and the time schemes behind them."""

from phix.integrate._rollout import PerStep as PerStep, rollout as rollout
from phix.integrate._schemes import default_scheme as default_scheme
from phix.integrate._solve import solve as solve


__all__ = ["PerStep", "default_scheme", "rollout", "solve"]
