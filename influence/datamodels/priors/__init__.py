"""Priors of a datamodel's weights, made from gradients before any outcome is looked at.

To first order, training on example i moves a model along the gradient of i's loss, and moves target t's margin by the
inner product of that step with the gradient of t's margin. With f the margin, the loss is log(1 + exp(-f)) and its
gradient -(1 - p_i) grad f_i, so that everything follows from the tangent kernel k(i, j) = <grad f_i, grad f_j>, and
the inner products of a few models give both parts of a prior:

- a kernel on training examples, r_i k(i, j) r_j with r = 1 - p: examples that push models in the same direction have
  the same weight on whatever target. Its sign follows from label agreement by itself, since the gradients of margins
  of different classes point away from each other.
- a prior mean tau_t,i = [k(t, .) (k + d I)^-1]_i r_i: the linearised model's answer, as in TRAK (Park et al. 2023,
  section 3) but exact, without projection, in the dual form. One model's answer is noisy: it is averaged over a few.

`tangent` computes both exactly, `sketched` approximately for many training examples.
"""

from influence.datamodels.priors.prior import Prior
from influence.datamodels.priors.sketched import sketched_prior
from influence.datamodels.priors.tangent import MOST_DENSE, tangent_prior

__all__ = ["MOST_DENSE", "Prior", "sketched_prior", "tangent_prior"]
