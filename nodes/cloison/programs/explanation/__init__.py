"""The notice a person may ask for: how the algorithm came to their amount (CRPA R311-3-1-2).

* It explains a result of `entitlement.run`; it decides nothing and asks nothing.
* Operations are replayed in exact arithmetic from the data received and OpenFisca's dated
  parameters, and held against what OpenFisca computed; a step that differs is said not detailed.
* A legal value is shown only if OpenFisca read it, with its date and the reference OpenFisca gives.
* The words of the legal mention come from `policy/mention.toml`.
* Nothing here holds a NIR; names and amounts stand in the notice alone.
"""
