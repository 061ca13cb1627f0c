"""How the API is described: OpenAPI document and page, their examples and words, the shapes of refusals.

Must never decide what a request is answered: it says what is.
"""
