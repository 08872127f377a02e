-- Whom digests are about goes with the traces it opens: rows are dated, and stand in the order of time.
CREATE TABLE dated_salt (
  id INTEGER PRIMARY KEY,
  salt BLOB NOT NULL UNIQUE,
  statement_hash BLOB NOT NULL,
  sealed_nir BLOB NOT NULL,
  kept_ms INTEGER NOT NULL
) STRICT;
INSERT INTO dated_salt (salt, statement_hash, sealed_nir, kept_ms)
  SELECT salt, statement_hash, sealed_nir, CAST(strftime('%s', 'now') AS INTEGER) * 1000 FROM salt;
DROP TABLE salt;
ALTER TABLE dated_salt RENAME TO salt;

-- `salts`: of a run with an erased person, one after the other, in place of a seed; theirs are zeros.
CREATE TABLE dated_batch (
  id INTEGER PRIMARY KEY,
  salt_seed BLOB NOT NULL UNIQUE CHECK (length(salt_seed) = 32),
  statement_hash BLOB NOT NULL,
  part INTEGER NOT NULL,
  sealed_nirs BLOB NOT NULL,
  salts BLOB,
  kept_ms INTEGER NOT NULL
) STRICT;
INSERT INTO dated_batch (salt_seed, statement_hash, part, sealed_nirs, kept_ms)
  SELECT salt_seed, statement_hash, part, sealed_nirs, CAST(strftime('%s', 'now') AS INTEGER) * 1000
  FROM cohort_batch ORDER BY rowid;
DROP TABLE cohort_batch;
ALTER TABLE dated_batch RENAME TO cohort_batch;
