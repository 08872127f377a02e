-- Whose vault it is, and a proof that the key it is opened with is the one it was made with.
CREATE TABLE owner (
  body TEXT NOT NULL,
  vault_key_check BLOB NOT NULL
) STRICT;

-- The vault: what links the ledger's digests to persons, kept outside the ledger so that it can be erased.
CREATE TABLE salt (
  salt BLOB NOT NULL PRIMARY KEY,
  statement_hash BLOB NOT NULL,
  sealed_nir BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- k_person: random, sealed under the vault key; erase a row and every trace of that person is unlinked.
CREATE TABLE person (
  row_key BLOB NOT NULL PRIMARY KEY,
  sealed_key BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Sealed answers, kept 10 minutes, so that the same bytes get the same answer after a crash.
CREATE TABLE answer (
  statement_hash BLOB NOT NULL PRIMARY KEY,
  sealed BLOB NOT NULL,
  kept_time_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX answer_kept ON answer (kept_time_ms);

-- Cases this body opened. `claim` is a keyed hash of activity, month and reference. `sealed` is JSON
-- under the vault key: the reference; NIR, traits and case salts of the members.
CREATE TABLE case_file (
  leaf_hash BLOB NOT NULL PRIMARY KEY,
  leaf_index INTEGER NOT NULL,
  renewal_index INTEGER,
  activity TEXT NOT NULL,
  type TEXT NOT NULL,
  month INTEGER NOT NULL,
  claim BLOB NOT NULL CHECK (length(claim) = 32),
  valid_until_ms INTEGER NOT NULL,
  closed INTEGER NOT NULL DEFAULT 0,
  sealed BLOB NOT NULL
) STRICT;
CREATE INDEX case_by_claim ON case_file (claim, closed);
