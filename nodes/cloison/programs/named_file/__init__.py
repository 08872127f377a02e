"""One household's file, looked into by an agent the body empowered: a control, a recovery.

* One file, named by somebody; never a list. Each question is one person and one entry.
* An agent stands in every statement, under a pseudonym that only the body can resolve.
* What is refused is shown with who refused and why; nothing stands in for it.
* What must be told to the person before a decision against them is shown with what was found.
"""
