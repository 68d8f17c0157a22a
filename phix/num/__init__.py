"""Numerics without physics: least squares, minimisation, checkpointed loops, AD."""

from phix.num._least_squares import LeastSquaresSolution as LeastSquaresSolution
from phix.num._least_squares import least_squares as least_squares
from phix.num._lstsq import damped_lstsq as damped_lstsq

__all__ = ["LeastSquaresSolution", "damped_lstsq", "least_squares"]
