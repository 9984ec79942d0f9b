"""Retraining: models trained as a result's own were, without some examples, each once and kept.

`trainer` turns subsets into what the trained models give, `trainings` keeps that, and `seeds` draws the seeds.
"""
