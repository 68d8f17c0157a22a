"""Trajectories and runs on disk: what a computation leaves behind."""

from phix._files import atomic_write as atomic_write
from phix.data._log import JsonLines as JsonLines
from phix.data._progress import Progress as Progress
from phix.data._run import (
    RunDirectory as RunDirectory,
    check_same_config as check_same_config,
)
from phix.data._signals import StopSignal as StopSignal
from phix.data._store import (
    load_trajectories as load_trajectories,
    save_trajectories as save_trajectories,
)
from phix.data._tensorboard import TensorBoard as TensorBoard
from phix.data._trajectory import (
    Trajectory as Trajectory,
    trajectory_path as trajectory_path,
)


__all__ = [
    "JsonLines",
    "Progress",
    "RunDirectory",
    "StopSignal",
    "TensorBoard",
    "Trajectory",
    "atomic_write",
    "check_same_config",
    "load_trajectories",
    "save_trajectories",
    "trajectory_path",
]
