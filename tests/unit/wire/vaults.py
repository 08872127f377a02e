"""A vault by itself, the requester's."""

KEY = b"v" * 32
