"""TracIn (Pruthi et al. 2020): scores, and the ideal that they approximate."""

from influence.gradients.factors import Projection
from influence.ranking import TopK
from influence.tracin.examples import Examples
from influence.tracin.ideal import Ideal, tracin_ideal
from influence.tracin.scores import TracInCP

__all__ = ["Examples", "Ideal", "Projection", "TopK", "TracInCP", "tracin_ideal"]
