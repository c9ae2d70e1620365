"""The report: one HTML page that shows predictions and what they come from."""
