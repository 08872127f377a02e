"""Cloison: purpose limitation enforced where the data are held. Each room says what it keeps."""
