"""The settings pages: detection, digest, members, tokens, the audit log."""
