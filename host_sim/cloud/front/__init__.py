"""What a connection meets before the application: who may connect, TLS, and how long and large a request's
head may be. Nothing here knows a route, a tenant or the database.
"""
