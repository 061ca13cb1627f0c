"""Firmware: releases, checks by both methods, images up and down."""

import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from semver import Version
from sqlalchemy.exc import OperationalError

from host_sim.cloud.catalogue import releases
from host_sim.cloud.images import Images, TooLarge
from host_sim.cloud.routes import firmware
from host_sim.cloud.routes.firmware import MAX_IMAGE, images_of
from host_sim.cloud.storage.database import Unsure

IMAGE = bytes(range(256)) * 300
_types = itertools.count(1)


@pytest.fixture
def kind():
    """A device type that no other test uses."""
    return f"board-{next(_types)}"


def _draft(api, kind, version, **more):
    body = {"device_type": kind, "version": version, "url": "https://example.org/f.bin", "size": 5, **more}
    return api().post("/firmware/release", json={"checksum": "ab" * 32, **body})


def _released(api, kind, version):
    made = _draft(api, kind, version).json()
    answer = api().post(f"/firmware/{made['id']}/release")
    assert answer.status_code == 200, answer.text
    return answer.json()


def _check(api, kind, version, **more):
    answer = api("user").post(
        "/firmware/check", json={"device_type": kind, "current_version": version, **more}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_draft_is_offered_only_when_it_is_released(api, kind):
    made = _draft(api, kind, "1.2.0", notes="Faster.")
    assert made.status_code == 201
    told = made.json()
    assert (told["status"], told["state"], told["number"]) == ("created", "draft", None)
    assert _check(api, kind, "1.0.0")["update_available"] is False
    assert api().post(f"/firmware/{told['id']}/release").json()["number"] == 1
    found = _check(api, kind, "1.0.0")
    assert found["update_available"] is True
    assert found["target_version"] == found["version"] == "1.2.0"
    assert found["url"] == found["download_url"] == "https://example.org/f.bin"
    assert (found["checksum"], found["size"], found["release"]) == ("ab" * 32, 5, 1)
    assert api("viewer").get(f"/firmware/{told['id']}").json()["state"] == "released"


def test_a_release_is_deleted_with_its_image_unless_it_is_offered_or_was_last(cloud, api, kind):
    def end(release):
        answer = api().delete(f"/firmware/{release['id']}")
        return answer.status_code, answer.json().get("error") or answer.json()["status"]

    form = {"device_type": kind, "version": "1.0.0"}
    image = api().post("/firmware/upload", data=form, files={"file": ("f", IMAGE)}).json()
    path = images_of(cloud.services).path(image["id"])
    assert api().post(f"/firmware/{image['id']}/release").status_code == 200
    assert end(image) == (409, "RELEASE_IN_USE") and path.is_file()
    second = _released(api, kind, "1.1.0")
    assert end(image) == (200, "deleted") and not path.exists()
    assert end(image) == (404, "NOT_FOUND")
    assert api().post(f"/firmware/{second['id']}/withdraw").status_code == 200
    assert end(second) == (409, "RELEASE_IN_USE")  # else the next one would be number 2 as well
    assert _released(api, kind, "1.2.0")["number"] == 3
    assert end(second) == (200, "deleted") and end(_draft(api, kind, "2.0.0").json()) == (200, "deleted")
    assert api("owner", "other").delete(f"/firmware/{second['id']}").status_code == 404


def test_get_and_post_answer_alike(api, kind, device):
    _released(api, kind, "2.0.0")
    asked = {"device_type": kind, "current_version": "1.0.0", "device_id": device().id}
    by_get = api("user").get("/firmware/check", params=asked)
    assert by_get.status_code == 200
    assert by_get.json() == _check(api, kind, "1.0.0", device_id=asked["device_id"])
    answer = api("user").get("/firmware/check", params={**asked, "device_id": "somebody-elses"})
    assert (answer.status_code, answer.json()["error"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "current, offered",
    [
        ("1.0.0", True),
        ("1.1.0-alpha", True),
        ("1.1.0-rc.2", True),
        ("1.1.0-rc.10", True),
        ("1.1.0", False),
        ("1.1.0+build.7", False),
        ("1.2.0-alpha", False),
        ("1.10.0", False),
    ],
)
def test_versions_are_compared_as_semver_says(api, current, offered):
    if not api().get("/firmware", params={"device_type": "semver"}).json()["count"]:
        _released(api, "semver", "1.1.0")
    assert _check(api, "semver", current)["update_available"] is offered


@pytest.mark.parametrize(
    "version", ["1", "1.0", "v1.0.0", "01.0.0", "1.0.0-01", "1.0.0-", "9" * 70 + ".0.0", ""]
)
def test_what_is_no_version_is_refused(api, kind, version):
    answer = api().post("/firmware/check", json={"device_type": kind, "current_version": version})
    assert (answer.status_code, answer.json()["error"]) == (400, "BAD_REQUEST")


def test_numbers_rise_and_a_lower_version_is_not_released_any_more(api, kind):
    assert _released(api, kind, "1.0.0-rc.1")["number"] == 1
    assert _released(api, kind, "1.0.0")["number"] == 2
    late = _draft(api, kind, "1.0.0-rc.2").json()
    answer = api().post(f"/firmware/{late['id']}/release")
    assert (answer.status_code, answer.json()["error"]) == (409, "VERSION_NOT_NEWER")
    last = _released(api, kind, "1.1.0")
    assert last["number"] == 3
    assert api().post(f"/firmware/{last['id']}/release").json()["number"] == 3  # said twice
    assert api().post(f"/firmware/{last['id']}/withdraw").json()["state"] == "withdrawn"
    assert _check(api, kind, "0.9.0")["version"] == "1.0.0"
    answer = api().post(f"/firmware/{last['id']}/release")
    assert (answer.status_code, answer.json()["error"]) == (409, "RELEASE_WITHDRAWN")
    assert _released(api, kind, "1.0.1")["number"] == 4


def test_a_version_is_there_once(api, kind):
    _draft(api, kind, "1.0.0")
    answer = _draft(api, kind, "1.0.0")
    assert (answer.status_code, answer.json()["error"]) == (409, "RELEASE_EXISTS")


def test_another_tenant_neither_sees_nor_is_offered_it(api, kind):
    made = _released(api, kind, "1.0.0")
    other = api("owner", tenant="other")
    assert other.get(f"/firmware/{made['id']}").status_code == 404
    assert other.post(f"/firmware/{made['id']}/withdraw").status_code == 404
    body = {"device_type": kind, "current_version": "0.0.1"}
    assert other.post("/firmware/check", json=body).json()["update_available"] is False


def _upload(api, kind, version="1.0.0", data=IMAGE, name="../../evil.bin"):
    form = {"device_type": kind, "version": version}
    return api().post("/firmware/upload", data=form, files={"file": (name, data)})


def test_an_image_is_uploaded_offered_and_downloaded_by_ticket(api, kind, cloud):
    answer = _upload(api, kind)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["checksum"], made["size"]) == (hashlib.sha256(IMAGE).hexdigest(), len(IMAGE))
    folder = cloud.settings.data / "firmware"
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / f"{made['id']}.bin").read_bytes() == IMAGE
    assert not list(cloud.settings.data.parent.rglob("evil*")) and not list(folder.glob("*.part"))
    api().post(f"/firmware/{made['id']}/release")
    url = _check(api, kind, "0.0.1")["url"]
    assert api(None).get(url).content == IMAGE
    part = api(None).get(url, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, IMAGE[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(IMAGE)}"
    assert api(None).get(url, headers={"Range": "bytes=-5"}).content == IMAGE[-5:]
    assert api("viewer").get(f"/firmware/{made['id']}/download").content == IMAGE


@pytest.mark.parametrize(
    "span", [f"bytes={len(IMAGE)}-", "bytes=5-1", "bytes=-", "bytes=0-1,5-6", "lines=1-2"]
)
def test_a_range_that_cannot_be_had_is_refused(api, span):
    made = _upload(api, f"board-{next(_types)}").json()
    answer = api().get(f"/firmware/{made['id']}/download", headers={"Range": span})
    assert (answer.status_code, answer.json()["error"]) == (416, "RANGE_NOT_SATISFIABLE")
    assert answer.headers["Content-Range"] == f"bytes */{len(IMAGE)}"


def test_a_ticket_opens_one_image_and_nothing_else(api, kind, cloud):
    first, second = _upload(api, kind).json(), _upload(api, kind, "1.0.1").json()
    api().post(f"/firmware/{second['id']}/release")
    ticket = _check(api, kind, "0.0.1")["url"].partition("ticket=")[2]
    answer = api(None).get(f"/firmware/{first['id']}/download", params={"ticket": ticket})
    assert (answer.status_code, answer.json()["error"]) == (401, "UNAUTHORIZED")
    assert api(None).get(f"/firmware/{second['id']}/download").status_code == 401
    assert api(None).get("/auth/me", headers={"Authorization": f"Bearer {ticket}"}).status_code == 401
    token = api().headers["Authorization"].partition(" ")[2]
    answer = api(None).get(f"/firmware/{second['id']}/download", params={"ticket": token})
    assert answer.status_code == 401


def test_an_upload_that_is_too_large_or_empty_or_no_form_leaves_nothing(api, kind, cloud):
    def files():
        folder = cloud.settings.data / "firmware"
        return sorted(folder.iterdir()) if folder.is_dir() else []

    before = files()
    assert _upload(api, kind, data=b"").status_code == 400
    assert _upload(api, kind, version="one").status_code == 400
    assert _upload(api, kind, data=bytes(MAX_IMAGE + 1)).status_code == 413
    assert api().post("/firmware/upload", json={}).status_code == 400
    assert api().post("/firmware/upload", data={"device_type": kind}).status_code == 400
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert api().post("/firmware/upload", content=b"--x\r\nbroken", headers=form).status_code == 400
    assert _upload(api, kind).status_code == 201
    assert _upload(api, kind).status_code == 409
    assert len(files()) == len(before) + 1


@pytest.mark.parametrize("kept", [True, False])
def test_a_release_that_may_be_stored_keeps_its_image(api, kind, cloud, monkeypatch, kept):
    def images():
        return {one.name for one in (cloud.settings.data / "firmware").glob("*.bin")}

    def add(*given):
        error = OperationalError(None, None, OSError())
        raise Unsure(error) if kept else error

    assert _upload(api, kind).status_code == 201
    before = images()
    with monkeypatch.context() as for_now:
        for_now.setattr(firmware, "_add", add)
        told = _upload(api, kind, "1.0.1")
    assert told.status_code == 503 and ("perhaps this was done" in told.json()["message"]) == kept
    assert len(images() - before) == kept


def test_a_release_elsewhere_is_redirected_to(api, kind):
    made = _draft(api, kind, "1.0.0").json()
    answer = api().get(f"/firmware/{made['id']}/download")
    assert (answer.status_code, answer.headers["Location"]) == (307, "https://example.org/f.bin")


def test_images_takes_no_name_from_outside_and_no_byte_too_many(tmp_path):
    images = Images(tmp_path / "f", 10)
    for name in ("../x", "a/b", "", "x" * 36):
        with pytest.raises(ValueError):
            images.path(name)
    name = releases.new_id()
    with (tmp_path / "big").open("w+b") as file:
        file.write(bytes(11))
        file.seek(0)
        with pytest.raises(TooLarge):
            images.store(name, file)
    assert not list((tmp_path / "f").iterdir())


_identifiers = st.one_of(st.integers(0, 99).map(str), st.from_regex(r"[a-z]{1,3}", fullmatch=True))
_versions = st.builds(
    lambda core, pre: ".".join(map(str, core)) + (f"-{'.'.join(pre)}" if pre else ""),
    st.tuples(*[st.integers(0, 12)] * 3),
    st.lists(_identifiers, max_size=3),
)


class _Row:
    def __init__(self, version, state):
        self.version, self.state = version, state


@given(st.lists(st.tuples(_versions, st.sampled_from(["draft", "released", "withdrawn"])), max_size=8))
def test_the_newest_is_released_and_no_released_one_is_above_it(pairs):
    rows = [_Row(*pair) for pair in pairs]
    best = releases.newest(rows)
    released = [row for row in rows if row.state == "released"]
    assert (best is None) == (not released)
    if best is not None:
        assert best in released
        assert all(Version.parse(row.version).compare(best.version) <= 0 for row in released)


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", "/plans"),
        ("POST", "/plans"),
        ("GET", "/agents/me/memories"),
        ("POST", "/agents/me/memories"),
        ("POST", "/firmware/build"),
        ("POST", "/device/claim"),
        ("GET", "/state/verification/x"),
        ("POST", "/state/verification/x"),
    ],
)
def test_what_this_cloud_does_not_have_says_so(api, method, path):
    answer = api().request(method, path)
    told = answer.json()
    assert (answer.status_code, told["error"]) == (501, "NOT_IMPLEMENTED")
    assert told["message"].startswith("this cloud has no ") and told["hint"]
    assert api(None).request(method, path).status_code == 401
