-- Who objected to what: the keyed row key and when it is dropped, nothing else.
CREATE TABLE objection (
  person BLOB NOT NULL CHECK (length(person) = 16),
  purpose TEXT NOT NULL,
  until_ms INTEGER NOT NULL,
  PRIMARY KEY (person, purpose)
) STRICT, WITHOUT ROWID;
CREATE INDEX objection_until ON objection (until_ms);

-- What is to be destroyed, written down before anything is, and dropped once the ledger says it was.
-- `plan` is JSON: hashes, row keys and codes.
CREATE TABLE destruction (
  id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  plan TEXT NOT NULL
) STRICT;
