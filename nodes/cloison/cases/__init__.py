"""What makes a question legitimate: claims, reviews and files, committed to the requester's ledger.

* A case names nobody: it holds salted digests, which the holder checks against the NIR it is given.
* A case proof shows that the entry stands in the requester's own ledger, under its signed head.
* Until heads are witnessed, a proof stops outsiders and other bodies, not the requester itself.
* Pure: storage, time and the verifier of checkpoints are arguments.
"""
