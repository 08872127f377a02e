-- The persons of a cohort's batch, sealed as one: their NIRs in order, 15 characters each. Salts follow from the seed.
CREATE TABLE cohort_batch (
  salt_seed BLOB NOT NULL UNIQUE CHECK (length(salt_seed) = 32),
  statement_hash BLOB NOT NULL,
  part INTEGER NOT NULL,
  sealed_nirs BLOB NOT NULL
) STRICT;

-- Sealed answers to a cohort's last batches, for a stream that was cut. Part -1 stands for its decision.
CREATE TABLE cohort_answer (
  statement_hash BLOB NOT NULL,
  part INTEGER NOT NULL,
  sealed BLOB NOT NULL,
  kept_time_ms INTEGER NOT NULL,
  PRIMARY KEY (statement_hash, part)
) STRICT;
CREATE INDEX cohort_answer_kept ON cohort_answer (kept_time_ms);
