-- Releases received, as sealed, each with its label. `part` counts the batches of a cohort.
CREATE TABLE received (
  statement_hash BLOB NOT NULL CHECK (length(statement_hash) = 32),
  part INTEGER NOT NULL,
  received_by TEXT NOT NULL,
  holder TEXT NOT NULL,
  dataset TEXT NOT NULL,
  received_for TEXT NOT NULL,
  text TEXT NOT NULL,
  until_ms INTEGER,
  first_month INTEGER NOT NULL,
  last_month INTEGER NOT NULL,
  leaf_hash BLOB NOT NULL CHECK (length(leaf_hash) = 32),
  sealed BLOB NOT NULL,
  kept_ms INTEGER NOT NULL,
  PRIMARY KEY (statement_hash, part)
) STRICT;

CREATE INDEX received_until ON received (until_ms) WHERE until_ms IS NOT NULL;

CREATE TABLE received_person (
  person BLOB NOT NULL CHECK (length(person) = 16),
  statement_hash BLOB NOT NULL,
  part INTEGER NOT NULL,
  PRIMARY KEY (person, statement_hash, part),
  FOREIGN KEY (statement_hash, part) REFERENCES received (statement_hash, part) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX received_person_release ON received_person (statement_hash, part);

-- What activities deposited; `claim` is a keyed hash of the reference, which is in `sealed`, with the
-- content, under the vault key.
CREATE TABLE output (
  deposit_hash BLOB PRIMARY KEY CHECK (length(deposit_hash) = 32),
  activity TEXT NOT NULL,
  output TEXT NOT NULL,
  claim BLOB NOT NULL CHECK (length(claim) = 32),
  case_leaf_hash BLOB NOT NULL,
  label BLOB NOT NULL,
  statement_hashes BLOB NOT NULL,
  leaf_hash BLOB NOT NULL,
  sealed BLOB NOT NULL,
  kept_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX output_claim ON output (activity, output, claim, kept_ms);
