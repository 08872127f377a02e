-- What persons say of accesses they contest, and what they were answered. `sealed` is JSON under the vault key: the
-- person's row key, salt and words; then salt and words of the answer. Found by the entry's place.
CREATE TABLE access_contest (
  leaf_index INTEGER NOT NULL PRIMARY KEY,
  person BLOB NOT NULL CHECK (length(person) = 16),
  sealed BLOB NOT NULL,
  answer_index INTEGER,
  sealed_answer BLOB
) STRICT;
CREATE INDEX access_contest_person ON access_contest (person);
