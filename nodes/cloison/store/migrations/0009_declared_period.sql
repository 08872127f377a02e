-- Who has not declared a period is found by period, whoever asks about many persons.
CREATE INDEX declared_period ON declared (dataset, period, declarant, fraction, until_load);
