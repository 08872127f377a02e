"""May this be asked? The policy set, its slices in time, and the decision with its reasons.

* No I/O and no clock: files come as bytes, the time as an argument. The same policy set, question,
  facts and time give the same decision, for ever.
* Fail closed: what is unknown, expired, erring or outside the record is denied, with its reason.
* A forbid wins over any number of permits; every purpose an activity declares must be permitted.
* A permit names its rules and articles; one that rests on a text not read whole says so.
* No legal constant lives here: windows, dates, purposes and bodies are in `policy/`.
"""

from cloison.law.decide import decide
from cloison.law.examples import Difference, decide_example, run_examples
from cloison.law.expected import Example
from cloison.law.explain import explain_en, explain_fr
from cloison.law.policy_set import PolicySet
from cloison.law.question import (
    Action,
    CaseFacts,
    Decision,
    Facts,
    Granularity,
    NearestPermit,
    Obligation,
    Outcome,
    Question,
    RuleRef,
)
from cloison.law.records import Activity, CaseType, Dataset, Output, Purpose, Text
from cloison.law.rules import OBLIGATION_KINDS, Rule
from cloison.law.words import french

__all__ = [
    "OBLIGATION_KINDS",
    "Action",
    "Activity",
    "CaseFacts",
    "CaseType",
    "Dataset",
    "Decision",
    "Difference",
    "Example",
    "Facts",
    "Granularity",
    "NearestPermit",
    "Obligation",
    "Outcome",
    "Output",
    "PolicySet",
    "Purpose",
    "Question",
    "Rule",
    "RuleRef",
    "Text",
    "decide",
    "decide_example",
    "explain_en",
    "explain_fr",
    "french",
    "run_examples",
]
