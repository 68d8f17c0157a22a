"""Many devices: meshes and batched maps over them."""

from phix.parallel._batch_map import batch_map as batch_map
from phix.parallel._initialise import initialise as initialise
from phix.parallel._lead import lead as lead
from phix.parallel._mesh import (
    BATCH_AXIS as BATCH_AXIS,
    make_mesh as make_mesh,
    use_cores as use_cores,
)
from phix.parallel._pencils import (
    Pencils as Pencils,
    place_field as place_field,
    spread as spread,
)
from phix.parallel._rows import batch_size as batch_size, pad_batch as pad_batch


__all__ = [
    "BATCH_AXIS",
    "Pencils",
    "batch_map",
    "batch_size",
    "initialise",
    "lead",
    "make_mesh",
    "pad_batch",
    "place_field",
    "spread",
    "use_cores",
]
