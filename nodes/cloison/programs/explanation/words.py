"""French words for what bodies spell as codes. No value of the law stands here."""

from cloison.programs.entitlement.inputs import Benefit, Nature, Role, SetAside

FIELDS = {
    "activity": "situation",
    "alimony_paid": "pensions alimentaires versées",
    "alimony_received": "pensions alimentaires reçues",
    "amount": "montant versé",
    "benefit": "prestation",
    "capital": "revenus du capital",
    "channel": "par",
    "claim": "demande",
    "commune": "commune",
    "date": "le",
    "department": "département",
    "furnished": "logement meublé",
    "household": "dossier",
    "kind": "événement",
    "marital": "situation familiale",
    "mns": "montant net social",
    "nature": "nature",
    "net_fiscal": "net fiscal",
    "notice": "avis d'impôt",
    "opened": "ouverte le",
    "payer": "payeur",
    "pensions": "pensions et retraites",
    "place": "rang sur l'avis",
    "property": "revenus fonciers",
    "rent": "loyer",
    "rfr": "revenu fiscal de référence",
    "role": "place dans le foyer",
    "schemes": "régimes",
    "self_employed": "revenus d'indépendant",
    "since": "depuis le",
    "status": "état",
    "unemployed_since": "au chômage depuis",
    "until": "jusqu'au",
    "wages": "traitements et salaires",
    "zone": "zone",
}
NATURES = {
    Nature.SALARY: "salaire",
    Nature.UNEMPLOYMENT: "chômage",
    Nature.DAILY_ALLOWANCE: "indemnités journalières",
    Nature.PENSION: "retraite",
    Nature.INVALIDITY: "pension d'invalidité",
}
CODES = {
    "nature": {nature.value: text for nature, text in NATURES.items()},
    "activity": {
        "employee": "salarié",
        "self_employed": "indépendant",
        "unemployed": "au chômage",
        "student": "étudiant",
        "retired": "retraité",
        "inactive": "sans activité",
        "child": "enfant",
    },
    "marital": {
        "married": "marié",
        "pacs": "pacsé",
        "single": "célibataire",
        "cohabiting": "en concubinage",
        "divorced": "divorcé",
        "widowed": "veuf",
    },
    "status": {
        "tenant": "locataire",
        "shared_tenant": "colocataire",
        "owner": "propriétaire",
        "free": "logé gratuitement",
        "open": "ouverte",
        "closed": "close",
    },
    "role": {"applicant": "demandeur", "partner": "conjoint", "child": "enfant"},
    "benefit": {
        "ppa": "prime d'activité",
        "rsa": "RSA",
        "al": "aide au logement",
        "af": "allocations familiales",
        "cf": "complément familial",
        "asf": "allocation de soutien familial",
        "paje_base": "allocation de base de la Paje",
        "aah": "AAH",
    },
    "schemes": {"general": "général", "agricole": "agricole"},
}
"""By field, then by code. A code that is not here is shown as the body spells it."""
STATUS = {
    "declared": "déclaré",
    "nothing declared": "rien de déclaré",
    "not yet due": "pas encore exigible",
    "under correction": "en cours de correction",
    "late": "déclaration en retard",
    "unknown": "sans statut",
}
OUTCOMES = {
    "permitted": "répondu",
    "PERSON_NOT_ANSWERABLE": "pas de réponse pour cette personne",
    "NO_TEXT": "refusé : aucun texte lu ne le permet",
    "FORBIDDEN": "refusé : un texte l'interdit",
    "CONDITION_NOT_MET": "refusé : une condition du texte manque",
    "SHADOW": "essai à blanc : rien n'est sorti",
    "SHADOW_OVER": "essai à blanc terminé : rien n'est sorti",
}
"""By reason of a refusal; another one is shown as the holder spells it."""
GRANULARITIES = {
    "month": "mois par mois",
    "window-total": "total de la période",
    "year": "année",
    "current": "situation actuelle",
}
BENEFITS = {
    Benefit.PPA: "prime d'activité",
    Benefit.RSA: "revenu de solidarité active",
    Benefit.AL: "aide au logement",
}
_NET = (
    "OpenFisca n'a pas de variable « montant net social » : le montant net social déclaré y entre "
    "comme revenu net de sa nature."
)
_MONTHS = (
    "Les mois de référence sont ceux qui vont du quatrième au deuxième mois avant le droit ; "
    "OpenFisca ne les retient que par une option, qui est mise pour tous les foyers."
)
LIMITS = {
    Benefit.PPA: (
        _NET,
        _MONTHS,
        "OpenFisca applique à chaque mois de référence les paramètres en vigueur ce mois-là.",
    ),
    Benefit.RSA: (_NET, _MONTHS),
    Benefit.AL: (
        "Les revenus de l'année de référence sont reçus en un total par nature, sans leurs mois.",
        "Seuls les logements loués sont calculés.",
    ),
}
"""What the calculator takes for granted, said to the person."""
WHY = {
    SetAside.NO_PERMANENT_NIR: (
        "Une personne du foyer n'a pas encore de numéro de sécurité sociale définitif.",
        "Personne n'a été interrogé : une réponse pourrait être celle d'une autre personne.",
    ),
    SetAside.PERSON_NOT_ANSWERABLE: (
        "Un organisme interrogé ne répond pas pour une personne du foyer.",
        "Il ne dit pas pourquoi : état civil qui ne concorde pas, décès ou opposition.",
    ),
    SetAside.MONTH_NOT_YET_DUE: (
        "Un mois nécessaire au calcul n'est pas encore exigible de ceux qui le déclarent.",
        "Un mois non déclaré n'est pas compté comme zéro.",
    ),
    SetAside.SOURCE_LATE: (
        "Un employeur ou un autre payeur d'une personne du foyer n'a pas encore déclaré un mois exigible.",  # noqa: E501 - a sentence shown as it is
        "Un mois non déclaré n'est pas compté comme zéro.",
    ),
    SetAside.UNDER_CORRECTION: (
        "Un mois nécessaire au calcul est en cours de correction chez l'organisme qui le détient.",
        "Le montant d'avant la correction n'est pas utilisé.",
    ),
    SetAside.REFUSED: (
        "L'organisme interrogé a refusé une question : aucun texte en vigueur ne la permet.",
        "Sans cette donnée, le calcul n'est pas fait.",
    ),
    SetAside.FAILED: (
        "Une question est restée sans réponse complète.",
        "Une réponse absente n'est pas comptée comme zéro.",
    ),
    SetAside.HEAD_UNCLEAR: (
        "Le dossier tenu par l'organisme ne dit pas qui est le demandeur : il n'en nomme aucun, en nomme plusieurs, ou nomme deux conjoints.",  # noqa: E501 - a sentence shown as it is
        "Personne n'est choisi à la place de l'organisme.",
    ),
    SetAside.OWN_FILE_INCOMPLETE: (
        "Le dossier tenu par l'organisme est incomplet : foyer, logement ou situation d'une personne.",  # noqa: E501 - a sentence shown as it is
        "Rien n'est supposé à la place de ce qui manque.",
    ),
    SetAside.AMOUNT_MISSING: (
        "Un paiement a été déclaré sans le montant que la prestation prend en compte.",
        "Un paiement sans montant n'est pas compté comme zéro.",
    ),
    SetAside.UNKNOWN_CODE: (
        "Une donnée reçue porte un code que le calcul ne connaît pas.",
        "Un code inconnu n'est pas interprété.",
    ),
    SetAside.EARNINGS_NOT_ASKED: (
        "Une personne du foyer a des revenus que ce traitement ne peut demander à personne.",
        "Ces revenus ne sont pas comptés comme zéro.",
    ),
    SetAside.OBJECTED: (
        "Une personne du foyer s'est opposée à ce traitement.",
        "Rien n'est plus demandé sur elle pour cette finalité.",
    ),
    SetAside.DEPENDS_ON_MONTH_NOT_ASKED: (
        "La règle, telle qu'elle est codée, lirait un mois que la loi ne permet pas de demander.",
        "Ce mois n'est pas compté comme zéro.",
    ),
    SetAside.ENGINE_REFUSED: (
        "Le moteur de calcul n'accepte pas une des données reçues.",
        "Aucune donnée n'est écartée ni corrigée pour obtenir un montant.",
    ),
}
"""For each reason: what is missing, and what was not done about it."""
NEXT = {
    SetAside.NO_PERMANENT_NIR: "Le calcul est possible dès que le numéro définitif est attribué.",
    SetAside.MONTH_NOT_YET_DUE: "Le calcul est refait quand le mois est exigible ou déclaré.",
    SetAside.SOURCE_LATE: "Le calcul est refait quand le payeur en retard a déclaré ce mois.",
    SetAside.UNDER_CORRECTION: "Le calcul est refait quand la correction est terminée.",
    SetAside.HEAD_UNCLEAR: (
        "L'organisme corrige la place de chacun au foyer ; signalez-lui toute erreur."
    ),
    SetAside.OWN_FILE_INCOMPLETE: "Le dossier est à compléter auprès de l'organisme.",
}
"""What opens the way again, where the reason says it."""


def code_text(field: str, value: object) -> str:
    """A code in French, several with commas; as the body spells it where there is no word.

    Example:
        >>> code_text("schemes", "agricole general"), code_text("status", "houseboat")
        ('agricole, général', 'houseboat')
    """
    known = CODES.get(field, {})
    return ", ".join(known.get(one, one) for one in str(value or "").split())


def person(role: str, number: int) -> str:
    """Whom a line is about, as the notice calls them.

    Example:
        >>> person("applicant", 0), person("child", 2)
        ('vous', 'enfant 2')
    """
    known = {Role.APPLICANT: "vous", Role.PARTNER: "votre conjoint"}
    return known.get(Role(role), f"enfant {number}") if role in set(Role) else role
