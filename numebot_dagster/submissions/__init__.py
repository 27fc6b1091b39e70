"""Submissions: the file that is uploaded, its receipt, and what to do about what Numerai holds."""
