"""FLAIR and RED-diff: whole vorticity fields from few readings, by a learned prior."""

import dataclasses
from typing import ClassVar

from phix.recipes._field_choices import (
    Choices,
    CoarseGraining as CoarseGraining,
    Posterior as Posterior,
    Sensors as Sensors,
    Transformer as Transformer,
    UNet as UNet,
    Vortices as Vortices,
)
from phix.recipes._score_choices import Training as Training


@dataclasses.dataclass(frozen=True)
class FlairRecipe(Choices):
    """FLAIR: posterior of a vorticity field, beside RED-diff, DPS, MMPS and baselines.

    - `seed`: of the fields, the weights, the sensors and the samples.
    - `measurements`: what is seen of a test field; each is a table of the report.
    """

    title: ClassVar[str] = "FLAIR"
    reference: ClassVar[str] = (
        "Erbach et al., Solving inverse problems with FLAIR, NeurIPS 2025, "
        "arXiv:2506.02680"
    )


@dataclasses.dataclass(frozen=True)
class RedDiffRecipe(Choices):
    """RED-diff: posterior of a vorticity field, beside FLAIR, DPS, MMPS and baselines.

    - `seed`: of the fields, the weights, the sensors and the samples.
    - `measurements`: what is seen of a test field; each is a table of the report.
    """

    title: ClassVar[str] = "RED-diff"
    reference: ClassVar[str] = (
        "Mardani, Song, Kautz, Vahdat, A variational perspective on solving inverse "
        "problems with diffusion models, ICLR 2024, arXiv:2305.04391"
    )
