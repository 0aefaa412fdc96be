"""Text and pages out: a snapshot becomes what Prometheus and people read over HTTP."""
