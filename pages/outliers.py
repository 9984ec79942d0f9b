"""Outliers: what may be wrong with the training data."""

from influence.explorer.outliers import page

page.show()
