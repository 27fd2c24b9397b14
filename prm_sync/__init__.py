"""prm-sync: CRM <-> PRM integration and data-sync middleware."""

__version__ = "0.1.0"
