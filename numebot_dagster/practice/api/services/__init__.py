"""Services behind the API: jobs, diagnostics, uploaded models, webhooks."""
