-- Lines this node holds that persons contest. `sealed` is JSON under the vault key: NIR and traits of the
-- person, what they say; it is erased when the contestation is answered. `line` is a keyed hash of the
-- activity and the line. A row counts once its entry is in the ledger.
CREATE TABLE contestation (
  hash BLOB NOT NULL PRIMARY KEY,
  peer TEXT NOT NULL,
  line BLOB NOT NULL CHECK (length(line) = 32),
  subject BLOB NOT NULL,
  dataset TEXT NOT NULL,
  declarant TEXT NOT NULL,
  period INTEGER NOT NULL,
  source TEXT NOT NULL,
  record_version INTEGER NOT NULL,
  after_load INTEGER NOT NULL,
  entered_time_ms INTEGER NOT NULL,
  sealed BLOB,
  answered_version INTEGER,
  answered_changed INTEGER
) STRICT;
CREATE INDEX contestation_by_line ON contestation (line);
CREATE INDEX contestation_open ON contestation (declarant) WHERE answered_version IS NULL;
