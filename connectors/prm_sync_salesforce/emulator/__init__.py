"""An emulated Salesforce org: REST, SOQL, collections and Bulk API 2.0 in memory. It never imports the connector."""

from .app import EMULATOR, SWITCHES, SalesforceApp

__all__ = ["EMULATOR", "SWITCHES", "SalesforceApp"]
