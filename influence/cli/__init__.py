"""The command line: ``python -m influence VERB ...``. Every verb calls one job."""
