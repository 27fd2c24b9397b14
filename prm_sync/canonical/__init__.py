"""What there is: the canonical model. Imports nothing else of prm-sync but its errors."""
