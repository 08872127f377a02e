"""Outreach: telling households of a benefit they may have a right to and did not claim.

* Questions come from the activity's `reads`, and only what the estimate needs is asked: the home is
  not, and one that takes nothing from the benefit is taken for granted. So the estimate is the
  highest amount there can be: no right by it is no right.
* Who may have a right is written to once: the letter is the notice at the first individual contact.
* Where no right shows, or nothing can be said, what was obtained is destroyed at once.
* A letter states no amount and no decision.
"""
