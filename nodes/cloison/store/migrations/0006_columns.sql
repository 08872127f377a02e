-- What the Parquet files beside the records hold. They are copies of the records in force: this table
-- says which files count, in the same transactions that change records. Dataset 0: the identities.
-- Unless `behind`, a period's file, without the persons of `column_change`, is what `record` says; a
-- period without a row here has no records. `changes` is at least the rows of `column_change`.
CREATE TABLE column_period (
  dataset INTEGER NOT NULL,
  period INTEGER NOT NULL,
  last_load INTEGER NOT NULL,
  behind INTEGER NOT NULL CHECK (behind IN (0, 1)),
  changes INTEGER NOT NULL DEFAULT 0,
  layout INTEGER NOT NULL DEFAULT 0,
  file TEXT,
  rows INTEGER NOT NULL DEFAULT 0,
  size_bytes INTEGER NOT NULL DEFAULT 0,
  sha256 BLOB,
  PRIMARY KEY (dataset, period)
) STRICT, WITHOUT ROWID;

CREATE TABLE column_change (
  dataset INTEGER NOT NULL,
  period INTEGER NOT NULL,
  subject BLOB NOT NULL,
  PRIMARY KEY (dataset, period, subject)
) STRICT, WITHOUT ROWID;

-- Of a store made before this, everything is read from the records until the next load.
INSERT INTO column_period (dataset, period, last_load, behind)
SELECT dataset, period, max(max(since_load), coalesce(max(until_load), 0)), 1
FROM record GROUP BY dataset, period;

INSERT INTO column_period (dataset, period, last_load, behind)
SELECT 0, 0, (SELECT coalesce(max(id), 0) FROM load), 1 WHERE EXISTS (SELECT 1 FROM identity);
