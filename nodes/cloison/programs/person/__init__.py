"""A person's own program: what was done with their data, at every body, checked before it is shown.

* Nothing a node says is taken on its word: entries, days and heads are verified first.
* What cannot be proved is said: days not closed yet, heads no witness saw.
* Nothing of it names the person.
"""
