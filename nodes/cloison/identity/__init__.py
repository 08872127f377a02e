"""Who asks, about whom?

* Identifiers have one accepted spelling; no message ever quotes one.
* A person leaves this room as a digest: salted in statements, keyed in stores and traces.
* An activity's private keys are apart from its node's and from other activities'; only what stands
  in `public/` is shared.
* Secrets come by file path; a file that group or others may read is refused.
* A signature, seal or certificate is checked whole or refused; nothing is accepted in part.
"""

from cloison.identity.digests import (
    agent_pseudonym,
    normal_name,
    person_digest,
    reference_digest,
    row_key,
    trace_key,
    traits_digest,
)
from cloison.identity.identifiers import (
    Nir,
    Siret,
    Spi,
    is_temporary,
    parse_nir,
    parse_siret,
    parse_spi,
)

__all__ = [
    "Nir",
    "Siret",
    "Spi",
    "agent_pseudonym",
    "is_temporary",
    "normal_name",
    "parse_nir",
    "parse_siret",
    "parse_spi",
    "person_digest",
    "reference_digest",
    "row_key",
    "trace_key",
    "traits_digest",
]
