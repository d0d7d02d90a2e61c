"""The baseline system: enhance, evaluate, merge, report, fine-tune."""
