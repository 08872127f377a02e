"""Recovering an undue payment, of one named file, by an agent the body empowered.

* What was paid is read in the body's own file; the right as decided again is entered by the agent.
  The activity that computed it keeps its output and what it received: no rule hands either on.
* It computes a difference, and no schedule: no text read says how instalments are set.
"""
