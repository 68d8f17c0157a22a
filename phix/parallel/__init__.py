"""Many devices: meshes and batched maps over them."""

from phix.parallel._batch_map import (
    batch_map as batch_map,
    refuse_host as refuse_host,
)
from phix.parallel._initialise import initialise as initialise
from phix.parallel._lead import lead as lead
from phix.parallel._mesh import (
    BATCH_AXIS as BATCH_AXIS,
    WEIGHT_AXIS as WEIGHT_AXIS,
    batch_axes as batch_axes,
    make_mesh as make_mesh,
    num_batch_parts as num_batch_parts,
    use_cores as use_cores,
)
from phix.parallel._pencils import (
    Pencils as Pencils,
    place_field as place_field,
    spread as spread,
)
from phix.parallel._rows import batch_size as batch_size, pad_batch as pad_batch
from phix.parallel._weights import (
    keeps_weight_parts as keeps_weight_parts,
    place_weights as place_weights,
    scatter_sum as scatter_sum,
    weight_specs as weight_specs,
    whole_weights as whole_weights,
)


__all__ = [
    "BATCH_AXIS",
    "WEIGHT_AXIS",
    "Pencils",
    "batch_axes",
    "batch_map",
    "batch_size",
    "initialise",
    "keeps_weight_parts",
    "lead",
    "make_mesh",
    "num_batch_parts",
    "pad_batch",
    "place_field",
    "place_weights",
    "refuse_host",
    "scatter_sum",
    "spread",
    "use_cores",
    "weight_specs",
    "whole_weights",
]
