"""Synthetic people, the same across all bodies, as the files the bodies really receive.

* Same number of persons, seed and months: same bytes, on any machine.
* No NIR made here can belong to anyone (see `nirs`); no SIRET is a business we know (see `payers`).
* A person's pay is a function of their contract and the month, never stored: what an employer
  declares, what the tax office assesses and what a claim was paid on agree by construction.
* People are made in portions that know nothing of each other: memory does not grow with how many
  they are, and the bytes do not depend on how many portions are made at once.
* Figures of the synthetic country stand in `figures.toml` and `places.toml`, names in `names.toml`;
  they calibrate people, they are not law, and no program may compute a right from them. What they
  are compared with stands in `published.toml`, with its sources.
* Only the files hold NIRs; the manifest and the summary do not.
"""
