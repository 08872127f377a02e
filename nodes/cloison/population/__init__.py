"""Synthetic people, the same across all bodies, as the files the bodies really receive.

* Same number of persons, seed and months: same bytes, on any machine.
* No NIR made here can belong to anyone (see `nirs`); no SIRET is a business we know (see `payers`).
* A person's pay is a function of their contract and the month, never stored: what an employer
  declares, what the tax office assesses and what a claim was paid on agree by construction.
* Figures of the synthetic country stand in `figures.toml`, names in `names.toml`; they calibrate
  people, they are not law, and no program may compute a right from them.
* Only the files hold NIRs; the manifest and the summary do not.
"""
