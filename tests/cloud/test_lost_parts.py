"""A cloud whose Redis or database is gone, or whose disk is full: what it says, and what goes on."""

from host_sim.cloud.server import Cloud
from host_sim.cloud.settings import load
from host_sim.servers import free_port


def test_without_redis_a_cloud_says_so_once_and_stays_ready(tmp_path, client_of, caplog):
    """All workers lose it together: a balancer that takes them out would leave nobody."""
    given = {"data": str(tmp_path), "port": 0, "broker_port": 0, "plain_http": True}
    redis = f"redis://:not-to-be-told@127.0.0.1:{free_port()}"
    settings = load(given, environment={"HXTP_CLOUD_REDIS": redis})
    with Cloud(settings) as running:
        told = [one.getMessage() for one in caplog.records if "does not answer" in one.getMessage()]
        client = client_of(running)
        assert client.get("/health/ready").json() == {"status": "ready"}
        answer = client.get("/health")
        assert (answer.status_code, answer.json()["checks"]["redis"]) == (503, False)
    assert len(told) == 1 and "counts limits by itself" in told[0] and "refused" in told[0]
    assert "not-to-be-told" not in caplog.text
