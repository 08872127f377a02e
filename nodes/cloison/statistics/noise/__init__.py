"""Noise for exact integers: OpenDP's samplers, and nothing of our own between them and a figure.

* Each mechanism says what it costs; its map is OpenDP's, asked again before anything is drawn.
* Integers in, integers out, of one width; what does not fit is refused, never wrapped.
* A proof note stands beside each mechanism: `laplace.md`, `gaussian.md`.
"""

from cloison.statistics.noise.mechanism import Mechanism, MechanismKind, gaussian, laplace

__all__ = ["Mechanism", "MechanismKind", "gaussian", "laplace"]
