-- Whose records of which period a load wrote or ended: row keys, one after the other. Read to tell those
-- who used what a load replaced; dropped once nobody's case can be older.
CREATE TABLE change (
  load INTEGER NOT NULL REFERENCES load (id),
  place INTEGER NOT NULL,
  dataset INTEGER NOT NULL REFERENCES dataset (id),
  period INTEGER NOT NULL,
  subjects BLOB NOT NULL,
  PRIMARY KEY (load, place)
) STRICT;
