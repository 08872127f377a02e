"""Who asks, about whom?

* Identifiers have one accepted spelling; no message ever quotes one.
* A person leaves this room as a digest: salted in statements, keyed in stores and traces.
* An activity's private keys are apart from its node's and from other activities'; only what stands
  in `public/` is shared.
* Secrets come by file path; a file that group or others may use is refused.
* A signature, seal or certificate is checked whole or refused; nothing is accepted in part.
"""

from cloison.identity.activity_keys import (
    ActivityKeys,
    ActivityPublicKeys,
    load_activity_keys,
    load_public_activities,
    parse_public,
    print_public,
)
from cloison.identity.agents import AgentDirectory
from cloison.identity.batches import MOST_STATEMENTS, SignedParts, sign_batch, verify_signed
from cloison.identity.certificates import (
    Authority,
    Issued,
    body_of_certificate,
    load_certificate,
    load_tls,
)
from cloison.identity.cohorts import (
    cohort_salts,
    parse_nirs,
    person_digests,
    row_keys,
    trace_keys,
    traits_digests,
)
from cloison.identity.digests import (
    ROW_KEY_BYTES,
    SALT_BYTES,
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
    is_temporary,
    nir_of_number,
    parse_nir,
    parse_siret,
)
from cloison.identity.key_directory import init_keys, ledger_origin, verifier_key, witness_name
from cloison.identity.names import Peer, parse_activity, parse_uri
from cloison.identity.sealing import (
    NONCE_BYTES,
    RELEASE_SECRET_BYTES,
    open_release,
    open_secret,
    seal_release,
    seal_secret,
)
from cloison.identity.secrets import SECRET_BYTES, load_private_file, load_secret, write_secret
from cloison.identity.signers import SignersFile, parse_signers

__all__ = [
    "MOST_STATEMENTS",
    "NONCE_BYTES",
    "RELEASE_SECRET_BYTES",
    "ROW_KEY_BYTES",
    "SALT_BYTES",
    "SECRET_BYTES",
    "ActivityKeys",
    "ActivityPublicKeys",
    "AgentDirectory",
    "Authority",
    "Issued",
    "Nir",
    "Peer",
    "SignedParts",
    "SignersFile",
    "Siret",
    "agent_pseudonym",
    "body_of_certificate",
    "cohort_salts",
    "init_keys",
    "is_temporary",
    "ledger_origin",
    "load_activity_keys",
    "load_certificate",
    "load_private_file",
    "load_public_activities",
    "load_secret",
    "load_tls",
    "nir_of_number",
    "normal_name",
    "open_release",
    "open_secret",
    "parse_activity",
    "parse_nir",
    "parse_nirs",
    "parse_public",
    "parse_signers",
    "parse_siret",
    "parse_uri",
    "person_digest",
    "person_digests",
    "print_public",
    "reference_digest",
    "row_key",
    "row_keys",
    "seal_release",
    "seal_secret",
    "sign_batch",
    "trace_key",
    "trace_keys",
    "traits_digest",
    "traits_digests",
    "verifier_key",
    "verify_signed",
    "witness_name",
    "write_secret",
]
