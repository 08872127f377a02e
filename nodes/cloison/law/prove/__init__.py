"""The promises of the law, proved over every question there can be; none is sampled.

* Questions fall into finitely many classes (`domain`), each looked at once; a rule of a form that
  the classes do not cover fails the proof instead of being passed over.
* A failure is a counterexample in words. Where it is a question, Cedar has answered it.
* What is protected, from what, is said in `policy/promises.toml`, never here.
"""

from cloison.law.prove.failure import Failure
from cloison.law.prove.proof import Proof, broken_promises, prove

__all__ = ["Failure", "Proof", "broken_promises", "prove"]
