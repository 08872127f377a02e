"""A policy set is valid in every part or not made at all; the error names file and line."""
# ruff: noqa: E501 - a table of bad files reads best with one line a row

import pytest

from cloison.errors import InputError
from cloison.law import PolicySet

_RULE = """
@id("new")
@article("1")
permit (principal, action, resource);
"""
_TEXT = "texts/crpa-l114-8/text.toml"
_RULES = "texts/crpa-l114-8/rules.cedar"
_EXAMPLES = "texts/crpa-l114-8/examples.yaml"
_PPA = "activities/caf-ppa.toml"

# (what is wrong, path, text replaced, by what, what the error says)
_BAD = [
    ("traces kept under an unknown text", "traces.toml", 'text = "gdpr-15"', 'text = "gdpr-99"', "text `gdpr-99`: unknown"),
    ("traces read under an unknown purpose", "traces.toml", '"subject-access"', '"curiosity"', "purpose `curiosity`: unknown"),
    ("traces kept for no time", "traces.toml", 'kept = "P36M"', 'kept = "a while"', "not understood"),
    ("traces sealed without a longest time", "traces.toml", "[contest]", '[[sealed]]\npurpose = "study"\ntext = "gdpr-15"\narticle = "1"\n[contest]', "key missing"),
    ("unknown key in a text", _TEXT, 'read = "whole"', 'read = "whole"\nscope = "x"', ":4`: `scope`: unknown key"),
    ("text without dates", _TEXT, "in_force = { from = 2022-02-23 }", "", "`in_force`: key missing"),
    ("text without its first day", _TEXT, "{ from = 2022-02-23 }", "{ until = 2022-02-23 }", ":4`: `in_force.from`: key missing"),
    ("text that ends before it starts", _TEXT, "2022-02-23 }", "2022-02-23, until = 2022-02-23 }", "`until` is not after `from`"),
    ("text read in no known way", _TEXT, '"whole"', '"mostly"', ":3`: `read`"),
    ("text under another folder's name", _TEXT, 'id = "crpa-l114-8"', 'id = "crpa"', "not the folder's name"),
    ("text that opens an unknown promise", _TEXT, 'read = "whole"', 'read = "whole"\nopens = [{ promise = "x", from = 2022-02-23 }]', "promise `x`: unknown"),
    ("text whose first day is a number", _TEXT, "from = 2022-02-23", "from = 0", ":4`: `in_force.from`"),
    ("text whose first day is a string", _TEXT, "from = 2022-02-23", 'from = "2022-02-23"', ":4`: `in_force.from`"),
    ("text whose first day has a time", _TEXT, "from = 2022-02-23", "from = 2022-02-23T00:00:00", ":4`: `in_force.from`"),
    ("TOML nested too deep", _TEXT, 'read = "whole"', "read = " + "[" * 5000 + "]" * 5000, "nested too deep"),
    ("text that is too long", _TEXT, 'read = "whole"', 'read = "whole" #' + "x" * (1 << 18), "more than 262144 bytes"),
    ("rule nested too deep", _RULES, "unless { ", "unless { " + "(" * 5000, ":21`: more than 500 brackets"),
    ("rule that goes on too long", _RULES, "unless { ", "unless { " + "context.cohort && " * 5000, ":21`: more than 500 brackets"),
    ("schema nested too deep", "schema.cedarschema", "received_by: Activity,", "received_by: " + "Set<" * 9999 + "Long" + ">" * 9999 + ",", "more than 500 brackets"),
    ("rule of wrong types, of a name other texts have", "texts/lpf-l152/rules.cedar", 'in Dataset::"dgfip/tax_notices")\nwhen { resource.received_by', 'in Dataset::"dgfip/tax_notices")\nwhen { resource.sent_by', "texts/lpf-l152/rules.cedar:83`: rule `read-back`"),
    ("not TOML", _TEXT, 'read = "whole"', "read = whole", ":3`: not TOML"),
    ("rule without article", _RULES, '@article("II, al. 2")\n', "", ":21`: a rule without @article"),
    ("rule without id", _RULES, '@id("only-to-inform")\n', "", ":21`: a rule without @id"),
    ("rule of unknown attribute", _RULES, "resource.received_for in", "resource.income in", ":21`: rule `only-to-inform`"),
    ("rule of wrong types", _RULES, 'context.granularity == "month"', "context.granularity == 3", "rule `inform`"),
    ("rule of unknown entity type", _RULES, 'System::"drm"', 'Base::"drm"', "rule `inform`"),
    ("a rule id in another spelling", _RULES, '@id("inform")', '@id("Inform!")', "rule `Inform!`: not an id"),
    ("not Cedar", _RULES, "unless {", "except {", ":21`: not a Cedar rule"),
    ("unknown annotation", _RULES, '@notice("first-contact")', '@warn("x")', ":7`: annotation `@warn`: unknown"),
    ("two rules of one id", _RULES, '@id("read-back")', '@id("inform")', "this @id is used twice"),
    ("a template", _RULES, "resource is Received", "resource in ?resource", "has no `?principal`"),
    ("an obligation not understood", _RULES, '@expire("P12M")', '@expire("a year")', "@expire `a year`: not understood"),
    ("an expiry in days without a unit", _RULES, '@expire("P12M")', '@expire("365")', "@expire `365`: not understood"),
    ("a forbid with an obligation", _RULES, '@article("II, al. 2")', '@article("II, al. 2")\n@flag("x")', "a forbid has no obligation"),
    ("a rule with a bad date", _RULES, '@article("II, al. 2")', '@article("II")\n@until("soon")', "date `soon`: not a date"),
    ("a rule with a date in another spelling", _RULES, '@article("II, al. 2")', '@article("II")\n@from("20230101")', "not a date"),
    ("a rule never in force", _RULES, '@article("II, al. 2")', '@article("II")\n@until("2022-01-01")', "in force on no day"),
    ("a rule of unknown certainty", _RULES, '@article("II, al. 2")', '@article("II")\n@certainty("sure")', "@certainty `sure`: unknown"),
    ("example with an unknown key", _EXAMPLES, "  expect: deny", "  expects: deny", "`expects`: unknown key"),
    ("example with a bad outcome", _EXAMPLES, "expect: deny", "expect: perhaps", "`expect`"),
    ("examples that are not YAML", _EXAMPLES, "- name:", "- name: {", "not YAML"),
    ("example that says a thing twice", _EXAMPLES, "  expect: deny", "  expect: permit\n  expect: deny", "`expect` is given twice"),
    ("example with an alias", _EXAMPLES, "  expect: deny", "  expect: *what", "not YAML: an alias"),
    ("example whose day has a time", _EXAMPLES, "day: 2026-11-21", "day: 2026-11-21 00:00:00", "`day`"),
    ("example whose flag is a word", _EXAMPLES, "named_agent: true", 'named_agent: "yes"', "`named_agent`"),
    ("examples nested too deep", _EXAMPLES, "  expect: deny", "  expect: " + "[" * 5000, "nested too deep"),
    ("activity reading one dataset twice", _PPA, 'dataset = "members"', 'dataset = "claims"', "`caf/claims` is given twice"),
    ("activity whose case lives a word", _PPA, "validity_days = 120", 'validity_days = "120"', "validity_days`"),
    ("activity with an unknown key", _PPA, "transfers =", "transfer =", "`transfer`: unknown key"),
    ("activity of unknown purpose", _PPA, '"eligibility"]', '"profit"]', "purpose `profit`: unknown"),
    ("activity relying on an unknown text", _PPA, '"gdpr-5"]', '"gdpr-99"]', "text `gdpr-99`: unknown"),
    ("activity reading an unknown dataset", _PPA, 'dataset = "members"', 'dataset = "friends"', "dataset `caf/friends`: unknown"),
    ("activity reading an unknown field", _PPA, '"payer"', '"iban"', "field `iban`: unknown"),
    ("activity stating a purpose it does not declare", _PPA, 'purpose = "calculation"', 'purpose = "audit"', "purpose of its record `audit`: unknown"),
    ("activity under another file's name", _PPA, 'id = "caf-ppa"', 'id = "caf-ppb"', "not the file's name"),
    ("output reset without article", _PPA, 'label = "inherit"', 'label = "reset"', "`article` goes with"),
    ("window that ends before it starts", _PPA, "first = -4, last = -2", "first = -2, last = -4", "`last` is before `first`"),
    ("dataset of unknown purpose", "datasets/cnav.toml", '"prefill"', '"fun"', "purpose `fun`: unknown"),
    ("datasets under another file's name", "datasets/cnav.toml", 'holder = "cnav"', 'holder = "msa"', "not the file's name"),
    ("dataset given twice", "datasets/cnav.toml", 'id = "pensions"', 'id = "identities"', "dataset `identities`: given twice"),
    ("purpose given twice", "purposes.toml", 'id = "prefill"', 'id = "calculation"', "purpose `calculation`: given twice"),
    ("purposes in a cycle", "purposes.toml", 'id = "rights"', 'id = "rights"\nparent = "eligibility"', ":7`: purpose `rights`: its parent stands nowhere above"),
    ("data made of an unknown output", "datasets/caf.toml", '"caf-ppa/entitlement"', '"caf-ppa/amount"', "output `caf-ppa/amount`: unknown"),
    ("purpose without its family", "purposes.toml", 'parent = "oversight"', 'parent = "nowhere"', "its parent stands nowhere above"),
    ("promise about an unknown dataset", "promises.toml", '"msa/monthly_resources"', '"msa/diaries"', "dataset `msa/diaries`: unknown"),
    ("promise about an unknown purpose", "promises.toml", 'received_for = "non-take-up"', 'received_for = "x"', "purpose `x`: unknown"),
    ("promise given twice", "promises.toml", '"nothing-outside-the-record"', '"income-never-targets"', "given twice"),
    ("promise of unknown kind", "promises.toml", '"only-record"', '"only-hope"', "`promise.3`"),
    ("not a Cedar schema", "schema.cedarschema", "entity Body;", "entity Body", "not a Cedar schema"),
    ("schema that wants more of an entity", "schema.cedarschema", "received_by: Activity,", "received_by: Activity,\n  place: String,", "schema.cedarschema`"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "old", "new", "says"), [row[1:] for row in _BAD], ids=[row[0] for row in _BAD]
)
def test_parse_bad_file_refuses(
    files: dict[str, bytes], path: str, old: str, new: str, says: str
) -> None:
    text = files[path].decode()
    assert old in text

    with pytest.raises(InputError) as raised:
        PolicySet.parse({**files, path: text.replace(old, new).encode()})

    assert raised.value.reason == "BAD_POLICY_FILE"
    assert says in raised.value.message
    assert raised.value.hint
    assert path in raised.value.message or "schema.cedarschema" in raised.value.message


@pytest.mark.parametrize(
    "path", ["purposes.toml", "promises.toml", "schema.cedarschema", _TEXT, _RULES, _EXAMPLES]
)
def test_parse_file_missing_refuses(files: dict[str, bytes], path: str) -> None:
    left = {name: content for name, content in files.items() if name != path}

    with pytest.raises(InputError, match=f"`{path}`: missing"):
        PolicySet.parse(left)


def test_parse_unknown_file_refuses(files: dict[str, bytes]) -> None:
    with pytest.raises(InputError, match=r"`texts/crpa-l114-8/notes\.toml`: not a policy file"):
        PolicySet.parse({**files, "texts/crpa-l114-8/notes.toml": b""})


def test_parse_text_without_a_source_refuses(files: dict[str, bytes]) -> None:
    text = files[_TEXT].decode().partition("[[sources]]")[0].encode()

    with pytest.raises(InputError, match="`sources`: key missing"):
        PolicySet.parse({**files, _TEXT: text})


def test_parse_unknown_name_says_line_and_nearest(files: dict[str, bytes]) -> None:
    record = files[_PPA].replace(b'"lpf-l152", "gdpr-5"]', b'"lpf-l125", "gdpr-5"]')

    with pytest.raises(InputError, match=r"caf-ppa\.toml:\d+`: text `lpf-l125`") as raised:
        PolicySet.parse({**files, _PPA: record})

    assert raised.value.hint == "perhaps `lpf-l152`"


def test_parse_text_without_examples_refuses(files: dict[str, bytes]) -> None:
    with pytest.raises(InputError, match="no example"):
        PolicySet.parse({**files, _EXAMPLES: b"[]\n"})


def test_parse_not_utf8_refuses_with_line(files: dict[str, bytes]) -> None:
    with pytest.raises(InputError, match=r"text\.toml:2`: not UTF-8"):
        PolicySet.parse({**files, _TEXT: b'id = "x"\ntitle = "\xe9"\n'})


def test_parse_broken_last_rule_names_its_line(files: dict[str, bytes]) -> None:
    with pytest.raises(InputError, match="not a Cedar rule"):
        PolicySet.parse({**files, _RULES: files[_RULES] + b"permit (principal"})


def test_parse_design_sample_text_is_enough(files: dict[str, bytes]) -> None:
    text = (
        'id = "crpa-l114-8"\ntitle = "CRPA, art. L114-8"\n'
        'in_force = { from = 2022-02-23 }\nread = "whole"\n'
        'sources = [{ code = "SRC-CRPA", where = "Légifrance", part = "all" }]\n'
    )

    parsed = PolicySet.parse({**files, _TEXT: text.encode()})

    assert not parsed.texts["crpa-l114-8"].provisional


def test_hash_changes_with_any_byte_and_any_path(files: dict[str, bytes]) -> None:
    whole = PolicySet.parse(files).hash
    comment = PolicySet.parse({**files, _RULES: files[_RULES] + b"// x\n"}).hash

    assert whole == PolicySet.parse(dict(reversed(files.items()))).hash
    assert whole != comment
    assert len(whole) == 32


def test_rule_added_to_a_text_is_in_the_set(files: dict[str, bytes]) -> None:
    parsed = PolicySet.parse({**files, _RULES: files[_RULES] + _RULE.encode()})

    assert parsed.rules[[rule.ref.rule for rule in parsed.rules].index("new")].line > 30
