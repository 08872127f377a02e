"""gRPC on both ends: the numbered plan of DESIGN §4, servicers, gateway, one error table.

* Mutual TLS everywhere; the certificate's SAN says which body, or which activity, is speaking.
* One process a node; the ledger write is inline on the loop, so a group of questions is atomic.
* What fails before a decision is a failure, counted; what is decided is an answer with a receipt.
* Nothing leaves before its entry is on disk: vault, then ledger, then answer.
* A correction reaches whoever was answered otherwise, while the case lasts: the requester's node
  asks (`change_listener`), the holder's tells (`change_teller`), and asking again gives the values.
"""
