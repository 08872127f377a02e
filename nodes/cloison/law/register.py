"""The register of activities (GDPR art. 30) as flat rows, with terms others know.

Terms are of the W3C Data Privacy Vocabulary. A purpose has the one `purposes.toml` gives it, none
where it gives none: a term nobody checked is worse than an empty cell.

Source:
    DPV 2.0, core vocabulary: Process, Purpose, hasPurpose, hasDataController, hasDataSubject,
    hasPersonalData, hasRecipient, hasLegalBasis, hasStorageCondition,
    hasTechnicalOrganisationalMeasure.
"""

from cloison.law.policy_set import PolicySet
from cloison.law.records import Activity

DPV = "https://w3id.org/dpv#"

CONTEXT = {
    "id": "@id",
    "title": "http://purl.org/dc/terms/title",
    "controller": f"{DPV}hasDataController",
    "purposes": f"{DPV}hasPurpose",
    "persons": f"{DPV}hasDataSubject",
    "data": f"{DPV}hasPersonalData",
    "recipients": f"{DPV}hasRecipient",
    "legal_bases": f"{DPV}hasLegalBasis",
    "retention": f"{DPV}hasStorageCondition",
    "security": f"{DPV}hasTechnicalOrganisationalMeasure",
}
"""Names of the JSON export as DPV has them; the others have no term here."""


def register_of(policy: PolicySet) -> list[dict[str, object]]:
    """Every activity, in the order of their ids."""
    return [_activity(policy, one) for _, one in sorted(policy.activities.items())]


def _activity(policy: PolicySet, activity: Activity) -> dict[str, object]:
    record = activity.model_dump(mode="json", by_alias=True)
    purposes = [policy.purposes[name] for name in activity.purposes]
    return {
        **record,
        "type": f"{DPV}Process",
        "purposes": [
            {"id": one.id, "fr": one.fr, "en": one.en, "dpv": f"{DPV}{one.dpv}" if one.dpv else ""}
            for one in purposes
        ],
        "legal_bases": [
            {"id": name, "title": policy.texts[name].title} for name in activity.legal_bases
        ],
    }


def flat(row: dict[str, object]) -> dict[str, str]:
    """One cell a value: lists joined by ` | `, tables by their most telling name."""
    return {name: _cell(value) for name, value in row.items()} | {
        "purposes_dpv": " | ".join(_terms(row["purposes"]))
    }


def _terms(purposes: object) -> list[str]:
    items = purposes if isinstance(purposes, list) else []
    return [one["dpv"] for one in items if one["dpv"]]


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " | ".join(map(_cell, value))
    if isinstance(value, dict):
        if "dataset" in value:
            fields = ", ".join(value["fields"])
            return f"{value['holder']}/{value['dataset']}: {fields}"
        named = (value.get(name) for name in ("id", "type", "name", "article"))
        return str(next(one for one in named if one))
    return "" if value is None else str(value)
