"""TracIn (Pruthi et al. 2020): factors, scores, and the ideal that they approximate."""

from influence.ranking import TopK
from influence.tracin.factors import FactorExtractor, Projection
from influence.tracin.ideal import Ideal, tracin_ideal
from influence.tracin.scores import Examples, TracInCP

__all__ = ["Examples", "FactorExtractor", "Ideal", "Projection", "TopK", "TracInCP", "tracin_ideal"]
