"""A command line gets its token: the pages, the handshake, passwords, and what a browser is trusted with."""

import io
import os
import re
import ssl
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser

import httpx
import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from host_sim.__main__ import main
from host_sim.cloud.catalogue import handshakes
from host_sim.cloud.security import hashing
from host_sim.cloud.storage import tables
from tests.cloud.waiting import WAIT, hold_still

HASHER = hashing._hasher
EMAIL, PASSWORD = "robin@pages.example", "correct horse battery"


def code() -> str:
    return f"HXT-{os.urandom(32).hex()}"


@pytest.fixture(scope="module", autouse=True)
def robin(cloud, api, patience):
    """Somebody with a password, in the tenant "home"."""
    api().post("/tenant/users", json={"email": EMAIL, "role": "user"})
    assert _user(cloud, EMAIL, PASSWORD) == 0


def _user(cloud, email: str, password: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", io.StringIO(password + "\n"))
        data = str(cloud.settings.data)
        return main(["cloud", "user", "--data", data, "--email", email, "--password-file", "-"])


@pytest.fixture(scope="module", autouse=True)
def patience():
    """All these sign-ins come from one address, and would take seconds with the real hashes."""
    quick = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashing, "_hasher", quick)
        nobody = quick.hash("nobody")
        patch.setattr(hashing, "_nobody", lambda: nobody)
        patch.setattr("host_sim.cloud.routes.pages.SIGN_INS", (1000, 300))
        patch.setattr("host_sim.cloud.routes.pages.ACCOUNT", (1000, 900))
        patch.setattr("host_sim.cloud.routes.pages.OPENED", 1000)
        yield


class Page(HTMLParser):
    """What a page holds, as a browser would see it."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.elements: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(answer.text)

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.elements.append((tag, known))
        if tag == "input" and known.get("type") == "hidden":
            self.fields[known["name"]] = known["value"]

    def handle_data(self, data):
        self.text += data

    def every(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.elements if name == tag]


class Person:
    """Somebody with a browser."""

    def __init__(self, cloud) -> None:
        self.http = httpx.Client(
            base_url=cloud.settings.base_url(),
            verify=ssl.create_default_context(cafile=str(cloud.pki.ca)),
            headers={"Accept": "text/html,application/xhtml+xml", "Sec-Fetch-Site": "same-origin"},
            follow_redirects=True,
            timeout=WAIT,
        )

    def open(self, code: str) -> Page:
        answer = self.http.get("/auth/cli", params={"code": code})
        assert answer.status_code == 200
        return Page(answer)

    def press(self, page: Page, button: str, **typed: str) -> httpx.Response:
        return self.http.post("/auth/cli-form", data={**page.fields, **typed, "do": button})

    def sign_in(self, code: str, email=EMAIL, password=PASSWORD) -> Page:
        answer = self.press(self.open(code), "sign_in", email=email, password=password)
        assert answer.status_code == 200, answer.text
        return Page(answer)


@pytest.fixture
def person(cloud):
    one = Person(cloud)
    with one.http:
        yield one


def test_a_command_line_gets_a_token_once_after_a_person_approved(api, person):
    mine = code()
    assert api(None).get(f"/auth/handshake/{mine}").status_code == 404
    person.open(mine)
    assert api(None).get(f"/auth/handshake/{mine}").json()["status"] == "pending"
    question = person.sign_in(mine)
    assert EMAIL in question.text and "home, as user" in question.text and mine[:12] in question.text
    assert api(None).get(f"/auth/handshake/{mine}").json()["status"] == "pending"
    assert person.press(question, "approve").status_code == 200
    for _ in range(2):
        assert api(None).head(f"/auth/handshake/{mine}").status_code == 200, "who only looks takes nothing"
    told = api(None).get(f"/auth/handshake/{mine}").json()
    me = api(None).get("/auth/me", headers={"Authorization": f"Bearer {told['token']}"}).json()
    assert (told["status"], me["user"]["email"], me["user"]["role"]) == ("approved", EMAIL, "user")
    again = api(None).get(f"/auth/handshake/{mine}").json()
    assert again["status"] == "taken" and "token" not in again
    assert "signed in" in person.open(mine).text


def test_of_many_who_poll_at_once_one_gets_the_token(api, person):
    mine = code()
    person.press(person.sign_in(mine), "approve")
    nobody = api(None)
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: nobody.get(f"/auth/handshake/{mine}").json(), range(8)))
    assert sorted(one["status"] for one in told) == ["approved"] + 7 * ["taken"]
    assert sum("token" in one for one in told) == 1


def test_a_person_who_is_signed_in_is_asked_at_once_and_may_refuse(api, person):
    person.sign_in(code())
    mine = code()
    question = person.open(mine)
    assert "Refused" in Page(person.press(question, "refuse")).text
    assert api(None).get(f"/auth/handshake/{mine}").json()["status"] == "refused"
    assert "refused" in Page(person.press(question, "approve")).text
    assert api(None).get(f"/auth/handshake/{mine}").json()["status"] == "refused"


def test_another_account_can_be_used(person):
    mine = code()
    asked_again = Page(person.press(person.sign_in(mine), "sign_out"))
    assert {one.get("name") for one in asked_again.every("input")} >= {"email", "password"}
    assert "password" in {one.get("name") for one in person.open(mine).every("input")}


def test_nobody_approves_without_signing_in(api, person):
    mine = code()
    page = person.open(mine)
    person.press(page, "approve")
    person.press(page, "sign_in", email=EMAIL, password=PASSWORD + "!")
    person.press(page, "approve")
    assert api(None).get(f"/auth/handshake/{mine}").json()["status"] == "pending"


def test_a_code_ends_after_five_minutes_approved_or_not(cloud, api, person, monkeypatch):
    waiting, approved = code(), code()
    person.open(waiting)
    person.press(person.sign_in(approved), "approve")
    later = cloud.services.now() + handshakes.LIFE_MS + 1
    monkeypatch.setattr(type(cloud.services), "now", lambda services: later)
    for one in (waiting, approved):
        told = api(None).get(f"/auth/handshake/{one}").json()
        assert told["status"] == "expired" and "token" not in told
        assert "five minutes" in person.open(one).text
    much_later = later + handshakes.KEPT_MS
    monkeypatch.setattr(type(cloud.services), "now", lambda services: much_later)
    person.open(code())
    assert api(None).get(f"/auth/handshake/{waiting}").status_code == 404


def test_with_a_bearer_token_a_handshake_is_approved_at_once(api):
    mine = code()
    answer = api("user").get("/auth/cli", params={"code": mine})
    assert (answer.status_code, answer.json()["status"]) == (200, "approved")
    again = api("user").get("/auth/cli", params={"code": mine})
    assert (again.status_code, again.json()["error"]) == (409, "HANDSHAKE_ENDED")
    token = api(None).get(f"/auth/handshake/{mine}").json()["token"]
    me = api(None).get("/auth/me", headers={"Authorization": f"Bearer {token}"}).json()
    assert me["user"] == api("user").get("/auth/me").json()["user"]


@pytest.mark.parametrize("wrong", ["", "HXT-", "HXT-" + "0" * 63, "HXT-" + "g" * 64, "hxt-" + "0" * 64])
def test_what_is_no_code_is_refused(api, person, wrong):
    assert api("user").get("/auth/cli", params={"code": wrong}).status_code == 400
    assert person.http.get("/auth/cli", params={"code": wrong}).status_code == 400
    assert api(None).get(f"/auth/handshake/{wrong}").status_code == 404


def test_codes_and_tokens_of_handshakes_do_not_lie_open_in_the_database(cloud, person):
    mine = code()
    person.press(person.sign_in(mine), "approve")
    with cloud.services.database.reading() as connection:
        rows = connection.execute(sa.select(tables.handshakes)).all()
    sealed = [row.token_sealed for row in rows if row.state == "approved"]
    assert sealed and not any(b"eyJ" in one for one in sealed)
    assert mine[4:] not in repr(rows)


# -- the pages ----


def test_pages_need_no_script_and_let_nothing_foreign_in(person):
    answer = person.http.get("/auth/cli", params={"code": code()})
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert (answer.headers["Cache-Control"], answer.headers["X-Frame-Options"]) == ("no-store", "DENY")
    page = Page(answer)
    assert not page.every("script") and not re.search(r"https?://|\son\w+=", answer.text)


def test_pages_can_be_read_and_used_without_seeing_them(person):
    mine = code()
    page = person.open(mine)
    assert page.every("html") == [{"lang": "en"}] and len(page.every("h1")) == len(page.every("main")) == 1
    labels = {one["for"] for one in page.every("label")}
    assert labels == {one["id"] for one in page.every("input") if one["type"] != "hidden"}
    wrong = Page(person.press(page, "sign_in", email=EMAIL, password="not the password"))
    assert [one["role"] for one in wrong.every("p") if "role" in one] == ["alert"]
    question = person.sign_in(mine)
    assert {one["value"] for one in question.every("button")} == {"approve", "refuse", "sign_out"}


def test_what_somebody_calls_themselves_is_text_and_not_html(cloud, person):
    email = "<b>&x</b>@pages.example"
    assert _user(cloud, email, PASSWORD) == 0
    question = person.sign_in(code(), email)
    assert email in question.text and not question.every("b")


# -- what a browser is trusted with ----


def test_cookies_stay_with_this_host_and_away_from_scripts(cloud, person):
    page = person.open(mine := code())
    person.http.follow_redirects = False
    answer = person.press(page, "sign_in", email=EMAIL, password=PASSWORD)
    cookies = answer.headers.get_list("set-cookie")
    assert answer.status_code == 303 and len(cookies) == 2
    for cookie in cookies:
        assert cookie.startswith("__Host-hxtp_")
        assert {"httponly", "secure", "samesite=lax", "path=/"} <= set(cookie.lower().split("; ")[1:])
    assert answer.headers["Location"].endswith(f"/auth/cli?code={mine}")


def test_without_tls_on_this_machine_alone_cookies_work_all_the_same(cloud, person, monkeypatch):
    monkeypatch.setattr(cloud.settings, "public_url", "http://127.0.0.1:8443/api/v1")
    assert EMAIL in person.sign_in(code()).text
    assert set(person.http.cookies) == {"hxtp_session", "hxtp_browser"}


def test_the_session_of_a_browser_opens_no_api(api, person):
    person.sign_in(code())
    session = next(value for name, value in person.http.cookies.items() if name.endswith("session"))
    assert api(None).get("/auth/me", headers={"Authorization": f"Bearer {session}"}).status_code == 401
    assert person.http.get("/auth/me").status_code == 401


@pytest.mark.parametrize("whose", ["forged", "another browser's", "the session", "another site's"])
def test_a_form_that_is_not_ours_approves_nothing(cloud, api, person, whose):
    mine = code()
    question = person.sign_in(mine)
    if whose == "forged":
        question.fields["csrf_token"] = "x"
    elif whose == "another browser's":
        other = Person(cloud)
        with other.http:
            question.fields["csrf_token"] = other.open(mine).fields["csrf_token"]
    elif whose == "the session":
        cookies = person.http.cookies.items()
        question.fields["csrf_token"] = next(value for name, value in cookies if name.endswith("session"))
    else:
        person.http.headers["Sec-Fetch-Site"] = "cross-site"
    assert person.press(question, "approve").status_code == 403
    assert api(None).get(f"/auth/handshake/{mine}").json()["status"] == "pending"


def test_signing_out_by_the_cookie_needs_the_proof(person):
    person.sign_in(code())
    refused = person.http.post("/auth/logout")
    assert (refused.status_code, refused.json()["error"]) == (403, "CSRF_INVALID")
    proof = person.http.get("/auth/csrf").json()
    done = person.http.post("/auth/logout", headers={proof["header"]: proof["csrf_token"]})
    assert done.status_code == 200 and not person.http.cookies
    assert "password" in {one.get("name") for one in person.open(code()).every("input")}


def test_signing_out_elsewhere_ends_the_browsers_session(cloud, api, person):
    mine = code()
    person.press(person.sign_in(mine), "approve")
    token = api(None).get(f"/auth/handshake/{mine}").json()["token"]
    api(None).post("/auth/logout", headers={"Authorization": f"Bearer {token}"})
    assert "password" in {one.get("name") for one in person.open(code()).every("input")}


# -- passwords ----


def test_passwords_are_kept_by_argon2id_with_64_mib_each():
    stored = HASHER.hash(PASSWORD)
    assert stored.startswith("$argon2id$") and "m=65536" in stored and PASSWORD not in stored


def test_a_wrong_password_and_an_unknown_address_look_the_same(api, person):
    known_without_password = api("viewer").get("/auth/me").json()["user"]["email"]
    page, told = person.open(code()), []
    for email in (EMAIL, "nobody@pages.example", known_without_password, ""):
        answer = person.press(page, "sign_in", email=email, password="not the password")
        told.append((answer.status_code, Page(answer).text))
    assert told == [told[0]] * 4 and told[0][0] == 401


def test_guessing_is_stopped_for_the_account_and_for_the_address(cloud, person, monkeypatch):
    assert _user(cloud, "guessed@pages.example", PASSWORD) == 0
    hold_still(monkeypatch)
    monkeypatch.setattr("host_sim.cloud.routes.pages.ACCOUNT", (2, 900))
    page = person.open(code())

    def guess(email="guessed@pages.example", password="not the password"):
        return person.press(page, "sign_in", email=email, password=password)

    assert [guess().status_code for _ in range(3)] == [401, 401, 429]
    right = guess(email="Guessed@pages.example", password=PASSWORD)
    assert right.status_code == 429 and int(right.headers["Retry-After"]) <= 900
    assert guess(email="other@pages.example").status_code == 401
    monkeypatch.setattr("host_sim.cloud.routes.pages.SIGN_INS", (1, 300))
    assert guess(email="third@pages.example").status_code == 429


@pytest.mark.parametrize("password", ["", "short", "x" * 1025])
def test_a_password_has_a_length(cloud, capsys, password):
    assert _user(cloud, "short@pages.example", password) == 1
    told = capsys.readouterr().err
    assert "10 to 1024 characters" in told and (not password or password not in told)


def test_a_new_password_ends_what_the_old_one_opened(cloud, tmp_path, api, person):
    mine = code()
    assert _user(cloud, "moving@pages.example", PASSWORD) == 0
    person.press(person.sign_in(mine, "moving@pages.example"), "approve")
    token = api(None).get(f"/auth/handshake/{mine}").json()["token"]
    (tmp_path / "new").write_text("another horse battery\nnot part of it\n")
    arguments = ["--email", "moving@pages.example", "--password-file", str(tmp_path / "new")]
    assert main(["cloud", "user", "--data", str(cloud.settings.data), *arguments]) == 0
    assert api(None).get("/auth/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    page = person.open(code())
    typed = {"email": "moving@pages.example"}
    assert person.press(page, "sign_in", password=PASSWORD, **typed).status_code == 401
    assert person.press(page, "sign_in", password="another horse battery", **typed).status_code == 200


def test_a_password_is_asked_for_twice_and_never_an_argument(cloud, capsys, monkeypatch):
    typed = iter([PASSWORD, PASSWORD + "!"])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))
    arguments = ["cloud", "user", "--data", str(cloud.settings.data), "--email", "typed@pages.example"]
    assert main(arguments) == 1 and "different" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*arguments, "--password", PASSWORD])
    assert PASSWORD not in capsys.readouterr().out


def test_polling_is_limited(api, monkeypatch):
    hold_still(monkeypatch)
    monkeypatch.setattr("host_sim.cloud.routes.auth.POLLS", 1)
    answers = [api(None).get(f"/auth/handshake/{code()}") for _ in range(2)]
    assert answers[-1].status_code == 429 and int(answers[-1].headers["Retry-After"]) <= 60


def test_a_code_that_nobody_opened_is_told_the_page_that_opens_it(api):
    told = api(None).get(f"/auth/handshake/{code()}").json()["hint"]
    page = told.split()[1]
    assert page == "/api/v1/auth/cli?code=CODE"
    address = str(api(None).base_url.join(page.replace("CODE", code())))
    answer = api(None).get(address, headers={"Accept": "text/html"}, follow_redirects=True)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")


def test_a_password_that_is_too_short_is_not_asked_for_again(cloud, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or "short")
    assert main(["cloud", "user", "--data", str(cloud.settings.data), "--email", EMAIL]) == 1
    assert asked == ["password: "] and "a password has 1" in capsys.readouterr().err
