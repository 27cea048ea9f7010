"""The User API (port 8000): users, keys, templates; accepts document requests and answers for them."""
