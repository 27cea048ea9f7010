"""The admin side of the generator: a status page now, the panel when it has grown."""
