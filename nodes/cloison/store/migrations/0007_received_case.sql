-- The case a kept release was asked under; empty where there was none, or where it was kept before this.
ALTER TABLE received ADD COLUMN case_leaf_hash BLOB NOT NULL DEFAULT x'';
CREATE INDEX received_case ON received (case_leaf_hash) WHERE case_leaf_hash != x'';

-- When the first of the labels an output inherits ends.
ALTER TABLE output ADD COLUMN until_ms INTEGER;
CREATE INDEX output_case ON output (case_leaf_hash);
CREATE INDEX output_until ON output (until_ms) WHERE until_ms IS NOT NULL;
