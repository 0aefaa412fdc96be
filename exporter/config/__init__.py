"""The configuration: untrusted YAML in, one tree of frozen settings out, or every problem with its place."""
