-- Lines of blocks that nobody reads yet, each sealed under the vault key: they may name persons.
-- `message` is the declaration's own id; empty outside one.
CREATE TABLE kept_line (
  load INTEGER NOT NULL REFERENCES load (id),
  line INTEGER NOT NULL,
  message TEXT NOT NULL,
  sealed BLOB NOT NULL,
  PRIMARY KEY (load, line)
) STRICT, WITHOUT ROWID;
