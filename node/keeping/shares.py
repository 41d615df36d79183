"""Max-min fair shares: nobody's grows by what makes a smaller one smaller.

Source: Bertsekas & Gallager 1992, "Data Networks", 6.5.2.
"""

from collections.abc import Hashable, Mapping
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


def fair_shares(demands: Mapping[K, int], whole: int) -> dict[K, int]:
    """What each may take of `whole`: what it asks for, or as much as the others who ask for more.

    Together they are at most `whole`; one who asks for more than its share could have no more
    unless another had less who has no more than it.
    """
    shares: dict[K, int] = {}
    ascending = sorted(demands, key=demands.__getitem__)
    for place, one in enumerate(ascending):
        shares[one] = min(demands[one], whole // (len(ascending) - place))
        whole -= shares[one]
    return shares
