"""Generated from protos/: `make proto`. Never edited."""
