"""Prove the auditor: defects of the product, each of which it must find."""
