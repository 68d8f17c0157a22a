"""Figures of arrays, drawn by matplotlib, which is imported when first used."""

from phix.plot._animation import (
    animate_field as animate_field,
    animation_path as animation_path,
)
from phix.plot._curves import (
    error_over_time as error_over_time,
    latent_trajectories as latent_trajectories,
)
from phix.plot._field import field_history as field_history
from phix.plot._field_frames import field_frames as field_frames
from phix.plot._field_panels import field_panels as field_panels
from phix.plot._figure import (
    figure_path as figure_path,
    require_matplotlib as require_matplotlib,
    save_figure as save_figure,
)
from phix.plot._panels import curve_panels as curve_panels
from phix.plot._parameters import parameter_panels as parameter_panels
from phix.plot._point_panels import point_panels as point_panels
from phix.plot._space_time import space_time as space_time


__all__ = [
    "animate_field",
    "animation_path",
    "curve_panels",
    "error_over_time",
    "field_frames",
    "field_history",
    "field_panels",
    "figure_path",
    "latent_trajectories",
    "parameter_panels",
    "point_panels",
    "require_matplotlib",
    "save_figure",
    "space_time",
]
