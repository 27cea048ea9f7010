"""HTTP: endpoints by resource, the shapes they take and give, who may call them, every error as a problem."""
