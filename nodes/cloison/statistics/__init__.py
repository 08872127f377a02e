"""What may be published: tables declared in advance, that leave only with noise.

* A table is declared: population, period, dimensions with public keys, measure, what one person
  may contribute. Nothing else can be computed.
* The privacy unit is the person a row is about; neighbours differ by one person, added or removed.
* Bounds are enforced in the query itself, so they hold whatever the data are.
* From the store to the noise there are integers only; no float touches an exact figure.
* Budget is reserved before noise is drawn; what is drawn is published whole or not at all.
* Post-processing sees noisy figures only. An exact cell has no way out of `release`.
"""
