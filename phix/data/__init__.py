"""Trajectories and runs on disk: what a computation leaves behind."""

from phix._files import atomic_write as atomic_write
from phix.data._artifact import (
    PLATFORMS as PLATFORMS,
    Artifact as Artifact,
    Slot as Slot,
    load_artifact as load_artifact,
    save_artifact as save_artifact,
)
from phix.data._log import JsonLines as JsonLines
from phix.data._pdebench import (
    open_pdebench as open_pdebench,
    save_pdebench as save_pdebench,
)
from phix.data._progress import Progress as Progress
from phix.data._reader import TrajectoryReader as TrajectoryReader
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
from phix.data._well import open_well as open_well, save_well as save_well
from phix.data._windows import (
    Statistics as Statistics,
    Windows as Windows,
    statistics as statistics,
)


__all__ = [
    "PLATFORMS",
    "Artifact",
    "JsonLines",
    "Progress",
    "RunDirectory",
    "Slot",
    "Statistics",
    "StopSignal",
    "TensorBoard",
    "Trajectory",
    "TrajectoryReader",
    "Windows",
    "atomic_write",
    "check_same_config",
    "load_artifact",
    "load_trajectories",
    "open_pdebench",
    "open_well",
    "save_artifact",
    "save_pdebench",
    "save_trajectories",
    "save_well",
    "statistics",
    "trajectory_path",
]
