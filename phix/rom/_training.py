"""How reduced models are trained: how long, how fast and by which optimiser."""

import equinox as eqx
import jax.tree_util as jtu
import optax
import optax.contrib

from phix._errors import nearest, require
from phix.data import JsonLines, TensorBoard
from phix.train import Checkpoints


class Training(eqx.Module):
    """How long, how fast and where networks are trained.

    - `steps`, `batch_size`: updates, and samples in each (snapshots; for DINo
      trajectories).
    - `learning_rate`: a number, which falls to a five-hundredth along half a cosine, or
      an Optax schedule.
    - `rule`: `"adamw"`; or `"muon"`, which takes the steps of matrices from the
      orthogonal factor of their averaged gradient, and those of all else from AdamW
      with Nesterov's momentum.
    - `latent_rate`: rate of the latents, in those of the networks.
    - `weight_decay`: relative to the learning rate.
    - `clip`: largest norm of the gradient; 0 does not clip.
    - `chunk`: see `train.per_sample`.
    - `checkpoint`, `log`, `progress`: see `train.fit`.
    - `rows_only`: move the latents of the batch alone (`train.table_rows`); otherwise
      momentum and weight decay move all of the table in every step; not with an
      encoder.

    **Raises:** `ValueError` for an unknown rule or a `latent_rate` not above zero.

    **Good values:** `"muon"` at a rate of 5e-3 to 1e-2 with a `latent_rate` of 3.

    **Reference:** K. Jordan et al., *Muon: an optimizer for hidden layers in neural
    networks*, 2024; step sizes as J. Liu et al., arXiv 2502.16982, scale them.
    """

    steps: int = eqx.field(static=True)
    batch_size: int = eqx.field(static=True, default=64)
    learning_rate: float | optax.Schedule = eqx.field(static=True, default=5e-3)
    weight_decay: float = eqx.field(static=True, default=1e-4)
    clip: float = eqx.field(static=True, default=1.0)
    chunk: int | None = eqx.field(static=True, default=None)
    checkpoint: Checkpoints | None = eqx.field(static=True, default=None)
    log: JsonLines | TensorBoard | None = eqx.field(static=True, default=None)
    progress: bool = eqx.field(static=True, default=True)
    rows_only: bool = eqx.field(static=True, default=False)
    rule: str = eqx.field(static=True, default="adamw")
    latent_rate: float = eqx.field(static=True, default=1.0)

    def __check_init__(self):
        require(
            self.rule in _RULES,
            f"unknown rule {self.rule!r}{nearest(self.rule, _RULES)}",
        )
        require(
            self.latent_rate > 0,
            f"latent_rate must be positive, got {self.latent_rate}",
        )

    def optimiser(self, share: float = 1.0) -> optax.GradientTransformation:
        """The rule at `share` of the learning rate."""
        rate = self.learning_rate
        if not callable(rate):
            rate = optax.cosine_decay_schedule(rate, self.steps, 2e-3)
        steps = [_RULES[self.rule](lambda step: share * rate(step), self.weight_decay)]
        if self.clip > 0:
            steps.insert(0, optax.clip_by_global_norm(self.clip))
        if self.latent_rate != 1:
            steps.append(optax.masked(optax.scale(self.latent_rate), _are_latents))
        return optax.chain(*steps)


def _adamw(rate: optax.Schedule, weight_decay: float) -> optax.GradientTransformation:
    return optax.adamw(rate, weight_decay=weight_decay)


def _muon(rate: optax.Schedule, weight_decay: float) -> optax.GradientTransformation:
    def matrices(model):
        def of(path, leaf):
            plain = leaf.ndim == 2 and not _names_latents(path)
            return optax.contrib.MuonDimensionNumbers() if plain else None

        return jtu.tree_map_with_path(of, model)

    return optax.contrib.muon(
        rate,
        weight_decay=weight_decay,
        adam_weight_decay=weight_decay,
        # Steps as large as those of Adam usually are: one rate suits both.
        consistent_rms=0.2,
        muon_weight_dimension_numbers=matrices,
    )


_RULES = {"adamw": _adamw, "muon": _muon}


def _are_latents(model):
    return jtu.tree_map_with_path(lambda path, _: _names_latents(path), model)


def _names_latents(path: tuple) -> bool:
    return path == (jtu.GetAttrKey("latents"),)  # a table, not an encoder
