"""What makes a run safe: configuration, entry, experiment folder, locks, failures, threads."""
