"""How each contestant renders: in a process of its own, in its own runtime, as in normal use."""
