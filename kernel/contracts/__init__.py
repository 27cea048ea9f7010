"""What the services say to each other: jobs, documents, events, errors, signatures. Pure: pydantic and the standard library."""
