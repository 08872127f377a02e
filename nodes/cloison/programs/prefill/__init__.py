"""The quarterly declaration, prepared for the person it is asked of.

* It asks, for each person of the household, what their payers declared; what is missing, not yet
  due or refused is shown as such, never as zero.
* A line says where it comes from: payer, source message, version, holder, receipt.
* The person decides: a line they contest goes to its holder, and from there to whoever declared it.
  Nothing here changes an amount.
"""
