"""The programs with a purpose: entitlement, outreach, and the targeting that is refused.

* A program runs for one activity and holds that activity's keys and nothing else.
* It talks to its own body's node only, through `cloison.wire.gateway.Gateway`.
* It asks what the activity's record in `policy/` lists, window and granularity included; no legal
  constant stands here.
* It never guesses: what was not asked, or not answered, is not zero.
"""
