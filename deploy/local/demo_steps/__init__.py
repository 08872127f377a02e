"""Steps of `make demo`, a subject each."""
