"""Learning rates as shares of the highest one, step by step."""


def falling(step: int, total: int) -> float:
    """1 at the first of all steps, falling linearly; it would be 0 after the last."""
    return 1 - step / total


def rising_and_falling(step: int, total: int) -> float:
    """Rising linearly to 1 for a fifth of all steps, then falling linearly; it would be 0 after the last."""
    rise = max(1, total // 5)
    return min((step + 1) / rise, (total - step) / max(1, total - rise))
