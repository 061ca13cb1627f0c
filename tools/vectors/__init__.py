"""The conformance vectors: `python -m tools.vectors` writes protocol_spec/vectors/*.json.

Every expected result stands in the tables (`tools/vectors/tables/`) as the author's claim from the text of
the specification. This package must never import hxtp or host_sim, ask an implementation what it answers, or
contain chance: two runs give the same bytes. Whether implementations agree is for the tests to say.
"""
