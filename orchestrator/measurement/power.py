"""How many episodes would settle it."""

from __future__ import annotations

import math
from statistics import NormalDist

from orchestrator.measurement.exact import least_p

POWER = 0.8
MOST = 1000


def episodes_needed(difference: float, deviation: float, alpha: float, power: float = POWER) -> int:
    """Of each of two groups, so that a true `difference` of their means is found with probability `power` by a
    two-sided test at `alpha`; `deviation` is the standard deviation within a group. At most MOST.

    The normal approximation with Guenther's term for Student's t (Guenther 1981, "Sample size formulas for normal
    theory T tests", The American Statistician 35). Never fewer than let an exact test reach half of alpha: with so few
    that only complete separation is significant, it is found less often than the approximation says.
    """
    normal = NormalDist()
    high, reach = normal.inv_cdf(1 - alpha / 2), normal.inv_cdf(power)
    if difference == 0:
        return MOST
    needed = 2 * ((high + reach) * deviation / difference) ** 2 + high * high / 4 if deviation > 0 else 0.0
    least = next((n for n in range(2, MOST) if least_p(n, n) <= alpha / 2), MOST)
    return min(MOST, max(math.ceil(needed), least)) if math.isfinite(needed) else MOST
