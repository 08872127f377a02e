"""Noise for exact integers: OpenDP's samplers; of our own only a thinning of their draws.

* Each mechanism says what it costs; its map is OpenDP's, asked again before anything is drawn.
* Integers in, integers out, of one width; what does not fit is refused, never wrapped.
* A proof note stands beside each mechanism: `laplace.md`, `gaussian.md`, `shares.md`.
"""

from cloison.statistics.noise.mechanism import Mechanism, MechanismKind, gaussian, laplace
from cloison.statistics.noise.shares import NoiseShare, Sharing, partner_epsilon, share_of

__all__ = [
    "Mechanism",
    "MechanismKind",
    "NoiseShare",
    "Sharing",
    "gaussian",
    "laplace",
    "partner_epsilon",
    "share_of",
]
