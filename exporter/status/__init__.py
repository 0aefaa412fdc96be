"""Say what a person asks of a snapshot: what is wrong now, who leaks, what runs out, and all the rest."""
