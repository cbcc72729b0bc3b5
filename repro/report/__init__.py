"""Tables, verdicts and pages, made from the records."""
