-- Who declared which period, and while it counted: that nothing is held of a person in a period says
-- nothing until those who declare the person have declared it. `declarant` is a nature and a payer.
CREATE TABLE declared (
  dataset INTEGER NOT NULL REFERENCES dataset (id),
  declarant TEXT NOT NULL,
  period INTEGER NOT NULL,
  fraction TEXT NOT NULL,
  since_load INTEGER NOT NULL REFERENCES load (id),
  until_load INTEGER REFERENCES load (id),
  PRIMARY KEY (dataset, declarant, period, fraction, since_load)
) STRICT, WITHOUT ROWID;

-- Names of slots are `<declarant>/<month>/<fraction>`. When one without records was loaded is not
-- known any more: with the first that declared its period. When it was cancelled, likewise: at once.
ALTER TABLE slot ADD COLUMN declarant TEXT NOT NULL DEFAULT '';
UPDATE slot SET declarant = substr(name, 1, length(name) - 10) WHERE length(name) > 10;
INSERT INTO declared
  SELECT slot.dataset, slot.declarant, CAST(substr(slot.name, -9, 6) AS INTEGER),
    substr(slot.name, -2), coalesce(held.first, coverage.since_load),
    CASE WHEN slot.cancelled THEN coalesce(held.last, coverage.since_load) END
  FROM slot
  LEFT JOIN (
    SELECT slot, min(since_load) AS first, max(since_load) AS last
    FROM record WHERE slot IS NOT NULL GROUP BY slot
  ) AS held ON held.slot = slot.id
  LEFT JOIN coverage ON coverage.dataset = slot.dataset
    AND coverage.period = CAST(substr(slot.name, -9, 6) AS INTEGER)
  WHERE slot.declarant <> '' AND coalesce(held.first, coverage.since_load) IS NOT NULL;
