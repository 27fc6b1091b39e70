"""Hold the services behind the API: jobs, diagnostics, uploaded models, webhooks."""
