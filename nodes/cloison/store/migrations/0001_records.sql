-- Whose store it is, and proofs that the keys it is opened with are the ones it was made with.
CREATE TABLE owner (
  body TEXT NOT NULL,
  row_key_check BLOB NOT NULL,
  vault_key_check BLOB NOT NULL
) STRICT;

CREATE TABLE dataset (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

-- Names and types of a record's values, in order. A changed catalogue adds a layout.
CREATE TABLE layout (
  id INTEGER PRIMARY KEY,
  dataset INTEGER NOT NULL REFERENCES dataset (id),
  fields TEXT NOT NULL,
  UNIQUE (dataset, fields)
) STRICT;

-- One line a file that was loaded whole. Ids grow: "as of" means "up to this load".
CREATE TABLE load (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  sha256 BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),
  name TEXT NOT NULL,
  loaded_ms INTEGER NOT NULL,
  records INTEGER NOT NULL
) STRICT;

-- One line a declaration that can be replaced: payer, month, nature, fraction.
CREATE TABLE slot (
  id INTEGER PRIMARY KEY,
  dataset INTEGER NOT NULL REFERENCES dataset (id),
  name TEXT NOT NULL,
  revision INTEGER NOT NULL,
  order_number INTEGER NOT NULL,
  cancelled INTEGER NOT NULL CHECK (cancelled IN (0, 1)),
  UNIQUE (dataset, name)
) STRICT;

-- Every version of every record. `until_load` is null while it counts; `payload` is null while a
-- correction was announced and its content is not here.
CREATE TABLE record (
  dataset INTEGER NOT NULL REFERENCES dataset (id),
  subject BLOB NOT NULL CHECK (length(subject) = 16),
  period INTEGER NOT NULL,
  record_key BLOB NOT NULL,
  version INTEGER NOT NULL,
  since_load INTEGER NOT NULL REFERENCES load (id),
  until_load INTEGER REFERENCES load (id),
  slot INTEGER REFERENCES slot (id),
  layout INTEGER NOT NULL REFERENCES layout (id),
  source TEXT NOT NULL,
  payload TEXT,
  named BLOB NOT NULL,
  lookup TEXT,
  PRIMARY KEY (dataset, subject, period, record_key, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX record_slot ON record (slot) WHERE slot IS NOT NULL AND until_load IS NULL;
CREATE INDEX record_line ON record (dataset, record_key, version) WHERE slot IS NULL;
CREATE INDEX record_lookup ON record (dataset, lookup)
  WHERE lookup IS NOT NULL AND until_load IS NULL;

-- Periods for which the source declared anything at all: absent is not zero.
CREATE TABLE coverage (
  dataset INTEGER NOT NULL REFERENCES dataset (id),
  period INTEGER NOT NULL,
  since_load INTEGER NOT NULL REFERENCES load (id),
  PRIMARY KEY (dataset, period)
) STRICT, WITHOUT ROWID;

CREATE TABLE identity (
  person BLOB PRIMARY KEY CHECK (length(person) = 16),
  permanent INTEGER NOT NULL CHECK (permanent IN (0, 1)),
  dead INTEGER NOT NULL CHECK (dead IN (0, 1)),
  objected INTEGER NOT NULL CHECK (objected IN (0, 1)),
  traits BLOB NOT NULL CHECK (length(traits) = 32)
) STRICT, WITHOUT ROWID;

-- NIR and traits, sealed: only of those the law has the body write to.
CREATE TABLE vault (
  person BLOB PRIMARY KEY CHECK (length(person) = 16),
  sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
