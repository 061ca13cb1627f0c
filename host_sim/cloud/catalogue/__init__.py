"""What the cloud knows of tenants, people, devices, places: a module a thing, functions over a transaction.

Each takes a connection that already sees the tenant, and names the tenant in its statements all the same.
"""
