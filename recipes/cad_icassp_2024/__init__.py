"""The ICASSP 2024 Cadenza challenge."""
