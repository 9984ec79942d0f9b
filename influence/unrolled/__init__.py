"""Exact derivatives of a model's outputs by the weight of every training example, through the whole training.

A training is a chain of steps, and `adjoint` applies the chain rule along it from the last to the first, without
approximation, as MAGIC does (Ilyas and Engstrom 2025, arXiv 2504.16430). `optimizers` has the steps and their way
back, `training` what a training must offer, `modules` offers it for any `nn.Module`, `trajectory` goes through a
training and back, and `scores` is the interface for users.
"""
