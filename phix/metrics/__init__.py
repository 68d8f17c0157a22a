"""One definition of each error measure, with named axes."""

from phix.metrics._errors import relative_l2 as relative_l2, rnmse as rnmse
from phix.metrics._shock import shock_position as shock_position


__all__ = ["relative_l2", "rnmse", "shock_position"]
