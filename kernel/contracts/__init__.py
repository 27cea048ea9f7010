"""What the services say to each other: jobs, documents, events, errors, signatures. Pure: no server, no framework."""
