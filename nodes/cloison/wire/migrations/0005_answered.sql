-- What this holder answered under a case, while the case lasts: whom a correction must reach. `load` is the
-- last file the data were read from; `persons` are row keys, 16 bytes each. First the single questions, each
-- found by its persons.
CREATE TABLE answered (
  id INTEGER PRIMARY KEY,
  peer TEXT NOT NULL,
  dataset TEXT NOT NULL,
  first_month INTEGER NOT NULL,
  last_month INTEGER NOT NULL,
  statement_hash BLOB NOT NULL CHECK (length(statement_hash) = 32),
  case_leaf_hash BLOB NOT NULL CHECK (length(case_leaf_hash) = 32),
  until_ms INTEGER NOT NULL,
  load INTEGER NOT NULL,
  persons BLOB NOT NULL
) STRICT;

CREATE TABLE answered_person (
  row_key BLOB NOT NULL CHECK (length(row_key) = 16),
  answered INTEGER NOT NULL,
  PRIMARY KEY (row_key, answered)
) STRICT, WITHOUT ROWID;

-- The windows there are answers for, each once: a month that stands in none is looked up for nobody.
CREATE TABLE answered_window (
  peer TEXT NOT NULL,
  dataset TEXT NOT NULL,
  first_month INTEGER NOT NULL,
  last_month INTEGER NOT NULL,
  PRIMARY KEY (peer, dataset, first_month, last_month)
) STRICT, WITHOUT ROWID;

-- Then the batches of cohorts, read through where a correction falls into their months: to find each person by
-- an index would cost more than answering. `places` says in which case each person stands (16 bits, little
-- endian), `cases` is leaf hash and end (64 bits, little endian) of each.
CREATE TABLE answered_batch (
  id INTEGER PRIMARY KEY,
  peer TEXT NOT NULL,
  dataset TEXT NOT NULL,
  first_month INTEGER NOT NULL,
  last_month INTEGER NOT NULL,
  statement_hash BLOB NOT NULL CHECK (length(statement_hash) = 32),
  batch INTEGER NOT NULL,
  until_ms INTEGER NOT NULL,
  load INTEGER NOT NULL,
  persons BLOB NOT NULL,
  places BLOB NOT NULL,
  cases BLOB NOT NULL
) STRICT;

-- The last load of which each peer was told all there was to tell.
CREATE TABLE told (
  peer TEXT NOT NULL PRIMARY KEY,
  load INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
