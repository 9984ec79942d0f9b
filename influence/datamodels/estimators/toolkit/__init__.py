"""What estimators share to fit weights. Nothing here is an estimator, and everything may need torch."""
