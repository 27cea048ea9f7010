"""`presswork doctor`: finds what is wrong between Redis, ClickHouse and the blob store, and mends it.

One file per check, each behind `port.Check`; `doctor.py` looks twice, mends and looks again; `checks.py` has the order.
"""
