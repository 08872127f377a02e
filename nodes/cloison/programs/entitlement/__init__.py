"""The entitlement calculator: prime d'activité, RSA and aides au logement.

* Questions come from the activity's `reads`: own files first, then only the holders they point to.
* A case is computed or set aside with its reason; the two always add up to the cases opened.
* A month for which a source declared nothing, its time being over, counts as zero from that source.
  Not yet due, late, under correction, refused or unanswered sets the case aside.
* Some thousand households run in one OpenFisca simulation; one that it refuses is set aside alone.
  `openfisca_adapter` alone knows its untyped API.
* An amount that would change with a month that was not asked is not computed.
"""
