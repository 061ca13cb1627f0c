"""What the cloud keeps: tables, transactions of one tenant, migrations. Knows nothing of HTTP or MQTT."""
