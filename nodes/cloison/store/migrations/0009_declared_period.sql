-- Who has not declared a period is found by period, whoever asks about many persons; and who declared one
-- since a load, by load: those who waited for it are told.
CREATE INDEX declared_period ON declared (dataset, period, declarant, fraction, until_load);
CREATE INDEX declared_since ON declared (since_load);
CREATE INDEX declared_until ON declared (until_load) WHERE until_load IS NOT NULL;
