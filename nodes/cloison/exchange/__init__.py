"""The way of a question: the numbered steps of DESIGN §4 as pure functions.

* No I/O and no clock: time, randomness and storage are arguments; `cloison.wire` brings them.
* Bytes that were signed or hashed are kept as received and never serialised again.
* Every step fails closed: steps 1–3 raise (a failure, counted), from step 4 on there is a decision.
* Limits of the wire are checked in one place, `limits`.
"""
