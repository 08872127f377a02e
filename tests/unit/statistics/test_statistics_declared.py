"""What `policy/` may say of tables and budgets, and every way in which it may not."""

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import pytest

from cloison.errors import BudgetExceeded, InputError, IntegrityError
from cloison.law import PolicySet
from cloison.statistics.budget import Accounts, Loss
from cloison.statistics.declared import Declared, cost_of, parse_declared

TABLE, GRANT = "tables/caf-beneficiaries.toml", "grants/caf-beneficiaries-2026.toml"
CEILING = "ceilings/all-2026.toml"
SUM = "tables/caf-amounts.toml"
INCOME = "keys/monthly-income.toml"
ACCOUNT = "caf-beneficiaries", 2026


BAD_FILES = {
    "unknown key": (TABLE, 'dataset = "payments"', 'dataset = "payments"\nrows = true'),
    "unknown key in a key set": ("keys/region.toml", "[keys]", "rows = 1\n[keys]"),
    "unknown key in a grant": (GRANT, "year = 2026", "year = 2026\nmore = 1"),
    "unknown dimension": (TABLE, '["benefit"], [', '["age"], ['),
    "tile for no key": ("keys/departments.toml", "[tiles]", '[tiles]\n"99" = [0, 0]'),
    "tiles in one place": ("keys/departments.toml", '"971" = [0, 14]', '"971" = [1, 14]'),
    "tile off the map": ("keys/departments.toml", '"971" = [0, 14]', '"971" = [-1, 14]'),
    "grant of zero": (GRANT, 'epsilon = "4"\nrho = "1/10"', 'epsilon = "0"\nrho = "0"'),
    "no key set": (TABLE, 'keys = "caf-benefits"', 'keys = "nowhere"'),
    "bound of zero": (TABLE, "most_cells = 3", "most_cells = 0"),
    "bound as text": (TABLE, "most_cells = 3", 'most_cells = "3"'),
    "bound as float": (TABLE, "most_cells = 3", "most_cells = 3.0"),
    "level of no dimension": (TABLE, '["region", "benefit"]', '["canton", "benefit"]'),
    "level that is no sum": (TABLE, '[["benefit"], [', '[["department"], ['),
    "level twice": (TABLE, '[["benefit"], [', '[["region", "benefit"], ['),
    "last level not all": (TABLE, ', ["department", "benefit"]]', "]"),
    "split that is not one": (
        TABLE,
        'split = "optimal"\naims = [7, 6, 5]',
        'split = ["1/3", "1/3", "1/4"]',
    ),
    "split as floats": (
        TABLE,
        'split = "optimal"\naims = [7, 6, 5]',
        "split = [0.5, 0.25, 0.25]",
    ),
    "split of a zero": (
        TABLE,
        'split = "optimal"\naims = [7, 6, 5]',
        'split = ["0", "1/2", "1/2"]',
    ),
    "aims not one a level": (TABLE, "aims = [7, 6, 5]", "aims = [7, 6]"),
    "aims beside a split": (TABLE, 'split = "optimal"', 'split = ["1/3", "1/3", "1/3"]'),
    "aim of zero": (TABLE, "aims = [7, 6, 5]", "aims = [7, 0, 5]"),
    "aim as float": (TABLE, "aims = [7, 6, 5]", "aims = [7, 6, 5.0]"),
    "clip of zero": (SUM, "clip = 1200", "clip = 0"),
    "clip that is negative": (SUM, "clip = 1200", "clip = -1200"),
    "clip as float": (SUM, "clip = 1200", "clip = 1200.0"),
    "clip without a source": (SUM, "clip_source =", "source ="),
    "clip of a count": (TABLE, "most_cells = 3", "most_cells = 3\nclip = 1200"),
    "sum of no field": (SUM, 'field = "amount"\nmost', "most"),
    "share of nothing": (SUM, 'count_share = "1/4"', 'count_share = "0"'),
    "share of all": (SUM, 'count_share = "1/4"', 'count_share = "1"'),
    "share as float": (SUM, 'count_share = "1/4"', "count_share = 0.25"),
    "unknown measure": (SUM, 'kind = "sum"', 'kind = "median"'),
    "sum over brackets": (SUM, 'keys = "caf-benefits"', 'keys = "monthly-benefit"'),
    "brackets out of step": ("keys/fine-income.toml", ", 400, 425, ", ", 401, 425, "),
    "brackets out of order": ("keys/fine-income.toml", 'f016 = "c01"', 'f016 = "c02"'),
    "few persons": (TABLE, "persons = 12_000_000", "persons = 10"),
    "another name": (TABLE, 'id = "caf-beneficiaries"', 'id = "caf-other"'),
    "dimension twice": (TABLE, 'id = "benefit"\n', 'id = "department"\n'),
    "no own dimension": (TABLE, 'field = "benefit"', 'field = "benefit"\ndataset = "claims"'),
    "not TOML": (TABLE, "[measure]", "[measure"),
    "epsilon as float": (GRANT, 'epsilon = "4"', "epsilon = 4.0"),
    "epsilon not in lowest terms": (GRANT, 'epsilon = "4"', 'epsilon = "8/2"'),
    "epsilon negative": (GRANT, 'epsilon = "4"', 'epsilon = "-4"'),
    "epsilon NaN": (GRANT, 'epsilon = "4"', "epsilon = nan"),
    "rho without delta": (GRANT, 'delta = "1/1000000"', 'delta = "0"'),
    "delta of one": (GRANT, 'delta = "1/1000000"', 'delta = "1"'),
    "no author": (GRANT, "author = ", "writer = "),
    "no date": (GRANT, "date = 2026-01-05\n", ""),
    "another year": (GRANT, "year = 2026", "year = 2027"),
    "more than the ceiling": (GRANT, 'epsilon = "4"', 'epsilon = "5"'),
    "under no ceiling": (CEILING, "years = [2025, 2026]", "years = [2025]"),
    "edges not one a key": (INCOME, "edges = [100, ", "edges = ["),
    "edges that fall": (INCOME, "edges = [100, 200, ", "edges = [200, 100, "),
    "edges as floats": (INCOME, "edges = [100, ", "edges = [100.5, "),
    "brackets not last": (TABLE, 'keys = "departments"', 'keys = "monthly-income"'),
    "parents without a set": ("keys/departments.toml", 'coarser = "region"\n', ""),
    "coarser than itself": ("keys/region.toml", "[keys]", 'coarser = "region"\n[keys]'),
    "a parent that is no key": ("keys/departments.toml", '"2A" = "94"', '"2A" = "95"'),
}


LINKED = "tables/rsa-income.toml"
SEVERAL = "tables/beneficiaries.toml"
BAD_FILES |= {
    "a holder twice": (SEVERAL, 'holder = "msa"', 'holder = "caf"'),
    "holders out of order": (SEVERAL, 'holder = "msa"', 'holder = "abc"'),
    "one population at two": (SEVERAL, '"msa-beneficiaries"', '"caf-beneficiaries"'),
    "key holder that gives": (LINKED, 'keys = "msa"', 'keys = "cnav"'),
    "who joins gives": (LINKED, 'holder = "dgfip"', 'holder = "caf"'),
    "a source missing": (LINKED, '  { dataset = "payments", holder = "caf" },', ""),
    "nobody names": (LINKED, 'names = "caf"', 'names = "msa"'),
    "colluders below none": (SEVERAL, "colluders = 1", "colluders = -1"),
    "colluders as text": (SEVERAL, "colluders = 1", 'colluders = "1"'),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_parse_declared_bad_file_is_refused_and_named(
    files: Mapping[str, bytes], name: str
) -> None:
    path, old, new = BAD_FILES[name]
    content = files[path].decode()
    assert old in content
    with pytest.raises(InputError) as refusal:
        parse_declared({**files, path: content.replace(old, new, 1).encode()})
    assert refusal.value.reason == "BAD_POLICY_FILE"
    assert "policy file `" in refusal.value.message


def test_parse_declared_more_cells_than_allowed_is_refused(files: Mapping[str, bytes]) -> None:
    path = "keys/caf-benefits.toml"
    many = "".join(f'"b{number}" = "x"\n' for number in range(200))
    with pytest.raises(InputError, match="at most 20000"):
        parse_declared({**files, path: files[path] + many.encode()})


@pytest.mark.parametrize(
    ("old", "new"),
    [('dataset = "households"', 'dataset = "homes"'), ('field = "department"', 'field = "area"')],
)
def test_policy_set_table_of_what_no_holder_has_is_refused(
    files: Mapping[str, bytes], old: str, new: str
) -> None:
    content = files[TABLE].decode().replace(old, new, 1).encode()
    with pytest.raises(InputError) as refusal:
        PolicySet.parse({**files, TABLE: content})
    assert refusal.value.reason == "BAD_POLICY_FILE"


def test_policy_set_hash_covers_grants_and_tables(files: Mapping[str, bytes]) -> None:
    whole = PolicySet.parse(files).hash
    for path in (TABLE, GRANT, CEILING, "keys/region.toml"):
        assert PolicySet.parse({**files, path: files[path] + b"# edited\n"}).hash != whole


@pytest.mark.parametrize(
    ("table", "period", "epsilon", "reason"),
    [
        ("nothing", "2026-03", "1", "UNKNOWN_TABLE"),
        ("caf-beneficiaries", "2026", "1", "BAD_PERIOD"),
        ("caf-beneficiaries", "2026-13", "1", "BAD_PERIOD"),
        ("caf-beneficiaries", "٢٠٢٦-03", "1", "BAD_PERIOD"),
        ("caf-beneficiaries", "2031-03", "1", "NO_GRANT"),
        ("caf-beneficiaries", "2026-03", "0", "BAD_LOSS"),
        ("caf-beneficiaries", "2026-03", "-1", "BAD_FRACTION"),
        ("caf-beneficiaries", "2026-03", "nan", "BAD_FRACTION"),
        ("caf-beneficiaries", "2026-03", "0.5", "BAD_FRACTION"),
    ],
)
def test_question_bad_one_is_refused(
    declared: Declared, table: str, period: str, epsilon: str, reason: str
) -> None:
    with pytest.raises(InputError) as refusal:
        declared.question(table, period, epsilon)
    assert refusal.value.reason == reason


def test_question_of_a_population_without_a_grant_is_refused(files: Mapping[str, bytes]) -> None:
    edited = files[TABLE].replace(b'population = "caf-beneficiaries"', b'population = "caf-all"')
    with pytest.raises(InputError) as refusal:
        parse_declared({**files, TABLE: edited}).question("caf-beneficiaries", "2026-03", "1")
    assert refusal.value.reason == "NO_GRANT"
    assert "`caf-all` 2026" in refusal.value.message


def test_question_of_another_definition_is_another_question(
    files: Mapping[str, bytes], declared: Declared
) -> None:
    edited = files["keys/region.toml"].replace(b"Bretagne", b"Breizh")
    other = parse_declared({**files, "keys/region.toml": edited})
    hashes = {one.question("caf-beneficiaries", "2026-03", "1").hash for one in (declared, other)}
    assert len(hashes) == 2


def test_accounts_never_pass_the_grant_and_the_refusal_says_by_how_much(
    declared: Declared,
) -> None:
    question = declared.question("caf-beneficiaries", "2026-03", "3/2")
    accounts, cost = Accounts(), cost_of(question.plan())
    for _ in range(2):
        accounts.reserve(ACCOUNT, cost, accounts.after(question.grant, cost))
    with pytest.raises(BudgetExceeded) as refusal:
        accounts.after(question.grant, cost)
    assert refusal.value.reason == "BUDGET_EXCEEDED"
    assert "needs ε 3/2, 1 is left, 1/2 too much" in refusal.value.message
    assert accounts.spent(ACCOUNT) == Loss(Fraction(3))
    assert accounts.spent(("caf-beneficiaries", 2025)) == Loss()


def test_accounts_exact_fractions_fill_a_grant_to_the_last(declared: Declared) -> None:
    grant = declared.grants["caf-beneficiaries-2026"]
    accounts, seventh = Accounts(), Loss(Fraction(4, 7))
    for _ in range(7):
        accounts.reserve(ACCOUNT, seventh, accounts.after(grant, seventh))
    assert accounts.spent(ACCOUNT).epsilon == 4
    with pytest.raises(BudgetExceeded, match="0 is left"):
        accounts.after(grant, Loss(Fraction(1, 10**18)))


@pytest.mark.parametrize("cost", [Loss(Fraction(-1)), Loss(rho=Fraction(-1)), Loss(Fraction(2))])
def test_accounts_entry_that_does_not_add_up_is_refused(cost: Loss) -> None:
    with pytest.raises(IntegrityError) as refusal:
        Accounts().reserve(ACCOUNT, cost, Loss(Fraction(1)))
    assert refusal.value.reason == "BAD_ENTRY"


def test_exposure_of_a_person_is_the_sum_of_the_grants(declared: Declared) -> None:
    (exposure,) = declared.exposures
    assert exposure.granted == Loss(Fraction(18), Fraction(2, 5))
    assert exposure.grants == (
        "caf-beneficiaries-2025",
        "caf-beneficiaries-2026",
        "cnav-monthly-resources-2026",
        "msa-beneficiaries-2026",
        "rsa-recipients-2026",
    )


def test_build_cube_age_within_benefit_is_a_hierarchy_that_adds_up(
    files: Mapping[str, bytes],
) -> None:
    """No body here keeps a date of birth: the key sets are made for the test."""
    bands = [f"{low:02d}" for low in range(0, 100, 5)]
    fine = "".join(f'"{band}" = "{int(band)} à {int(band) + 4} ans"\n' for band in bands)
    parents = "".join(f'"{band}" = "{"minor" if int(band) < 20 else "adult"}"\n' for band in bands)
    sets = {
        "keys/age-group.toml": 'id = "age-group"\ntitle = "Âge"\nsource = "x"\n[keys]\n'
        'minor = "Moins de 20 ans"\nadult = "20 ans et plus"\n',
        "keys/age-band.toml": 'id = "age-band"\ntitle = "Âge"\nsource = "x"\n'
        f'coarser = "age-group"\n[keys]\n{fine}[parents]\n{parents}',
    }
    types = "tables/caf-household-types.toml"
    edited = files[types].decode().replace('id = "marital"', 'id = "age"')
    edited = edited.replace('keys = "marital"', 'keys = "age-band"')
    edited = edited.replace('"household_type", "b', '"age_group", "b').replace(
        '"marital", "', '"age", "'
    )
    whole = {
        **files,
        types: edited.encode(),
        **{name: text.encode() for name, text in sets.items()},
    }
    cube = parse_declared(whole).cubes["caf-household-types"]
    assert [level.cells for level in cube.levels] == [3, 6, 60]
    leaves = np.arange(60)
    groups = np.bincount(cube.parents[1], leaves, 6)
    benefits = np.bincount(cube.parents[0], groups, 3)
    assert groups.tolist() == [leaves.reshape(20, 3)[:4, n].sum() for n in range(3)] + [
        leaves.reshape(20, 3)[4:, n].sum() for n in range(3)
    ]
    assert benefits.tolist() == leaves.reshape(20, 3).sum(axis=0).tolist()
