"""Estimators of datamodels, a file each: how weights are fitted to the outcomes of many models."""
