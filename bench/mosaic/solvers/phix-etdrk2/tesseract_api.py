"""phix by ETDRK2, float32 inside."""

from backend import (
    InputSchema as InputSchema,
    OutputSchema as OutputSchema,
    endpoints,
)

from phix.integrate import ETDRK2


apply, vector_jacobian_product, abstract_eval = endpoints(ETDRK2(), "float32")
