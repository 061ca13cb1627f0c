"""Alembic's entry: runs the migrations on the connection that `storage.migrate` gives it."""

from alembic import context

from host_sim.cloud.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot alter a table: it is copied instead.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
