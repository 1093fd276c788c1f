"""Accounts, rows and functions of a Plinth in production, through supabase-py.

    python accounts.py PLINTH_BINARY

Serves a copy of ../app with a mail server beside it. One line for each fact; ends with 0 when all hold, else with 1.
"""

import asyncio
import sys
from pathlib import Path

from postgrest import APIError

import plants
from stage import SENDER, SITE_URL, Facts, Mailbox, Plinth, address, equal, follow, new_person, refused

APP = Path(__file__).parent.parent / "app"


def main(binary):
    fact = Facts()
    with Mailbox() as mail, Plinth(binary, APP, mail.settings) as plinth:
        confirmation_by_link(fact, plinth, mail)
        confirmation_by_code(fact, plinth, mail)
        confirmation_by_code_challenge(fact, plinth, mail)
        passwords(fact, plinth)
        profiles(fact, plinth)
        plants.rows(fact, plinth)
        plants.functions(fact, plinth)
        recovery(fact, plinth, mail)
        changes_of_address(fact, plinth, mail)
        sign_in_by_letter(fact, plinth, mail)
        sessions(fact, plinth)
        administration(fact, plinth, mail)
        asyncio.run(asynchronously(fact, plinth, mail))
        strangers(fact, plinth, mail)
        ending(fact, plinth, mail)
        if fact.failed:
            print(f"the server said:\n{plinth.log()}", file=sys.stderr)
    print(f"{fact.failed} facts do not hold" if fact.failed else f"all {fact.held} facts hold")
    return 1 if fact.failed else 0


def confirmation_by_link(fact, plinth, mail):
    client = plinth.anonymous(flow_type="implicit")
    email, password = address("ann"), "a password of ann"
    letter = None

    @fact("a sign-up makes an account, but no session before the address is confirmed")
    def _():
        options = {"data": {"name": "Ann"}, "email_redirect_to": "plants://welcome"}
        answer = client.auth.sign_up({"email": email, "password": password, "options": options})
        equal(answer.session, None)
        equal((answer.user.email, answer.user.email_confirmed_at), (email, None))
        assert answer.user.confirmation_sent_at
        equal([one.provider for one in answer.user.identities], ["email"])

    @fact("signing in before that is refused")
    def _():
        error = refused("email_not_confirmed", lambda: sign_in(client, email, password))
        equal((error.status, error.message), (400, "Email not confirmed"))

    @fact("the letter has a sender, a subject, and the same link and code as HTML and as text")
    def _():
        nonlocal letter
        letter = mail.letter(email)
        equal((letter.sender, letter.message["from"]), ("plants@example.com", SENDER))
        equal(letter.message["to"], email)
        equal(letter.message["subject"], "Confirm your email address")
        equal(letter.message.get_content_type(), "multipart/alternative")
        equal([part.get_content_type() for part in letter.message.iter_parts()], ["text/plain", "text/html"])
        assert letter.link in letter.text and letter.code in letter.html
        assert letter.link.startswith(f"{plinth.url}/auth/v1/verify?")

    @fact("the link leads to the application, with a session in the fragment")
    def _():
        place = follow(letter.link)
        equal((place.url, place.query), ("plants://welcome", {}))
        equal((place.fragment["type"], place.fragment["token_type"]), ("signup", "bearer"))
        client.auth.set_session(place.fragment["access_token"], place.fragment["refresh_token"])
        user = client.auth.get_user().user
        assert user.email_confirmed_at
        equal((user.email, user.user_metadata["email_verified"]), (email, True))

    @fact("a link works once")
    def _():
        place = follow(letter.link)
        equal((place.fragment["error"], place.fragment["error_code"]), ("access_denied", "otp_expired"))
        assert "access_token" not in place.fragment

    @fact("the address and the password are a session from now on")
    def _():
        session = sign_in(client, email, password).session
        equal((session.token_type, session.expires_in, session.user.email), ("bearer", 3600, email))
        claims = client.auth.get_claims()["claims"]
        equal((claims["sub"], claims["role"], claims["aal"]), (session.user.id, "authenticated", "aal1"))


def confirmation_by_code(fact, plinth, mail):
    client = plinth.anonymous()
    email = address("ben")
    client.auth.sign_up({"email": email, "password": "a password of ben", "options": {"data": {"name": "Ben"}}})
    code = mail.letter(email).code

    @fact("a wrong code, a right one of another kind and one for another address are refused")
    def _():
        for params in (
            {"type": "signup", "email": email, "token": other_code(code)},
            {"type": "recovery", "email": email, "token": code},
            {"type": "signup", "email": address("ben"), "token": code},
        ):
            error = refused("otp_expired", lambda: client.auth.verify_otp(params))
            equal((error.status, error.message), (403, "Token has expired or is invalid"))
        refused("email_not_confirmed", lambda: sign_in(client, email, "a password of ben"))

    @fact("another letter to the same address must wait")
    def _():
        error = refused("over_email_send_rate_limit", lambda: client.auth.resend({"type": "signup", "email": email}))
        equal(error.status, 429)
        assert error.message.startswith("For security purposes, you can only request this after "), error.message

    @fact("the typed code confirms the address and signs in, once")
    def _():
        events = events_of(client)
        answer = client.auth.verify_otp({"type": "signup", "email": email, "token": code})
        equal((answer.session.user.email, events), (email, ["SIGNED_IN"]))
        refused("otp_expired", lambda: client.auth.verify_otp({"type": "signup", "email": email, "token": code}))
        sign_in(client, email, "a password of ben")


def confirmation_by_code_challenge(fact, plinth, mail):
    client = plinth.anonymous()
    email = address("cora")

    @fact("supabase-py begins with a code challenge, and the link leads to a code that only its verifier opens")
    def _():
        client.auth.sign_up({"email": email, "password": "a password of cora"})
        place = follow(mail.letter(email).link)
        equal((place.url.rstrip("/"), place.fragment, list(place.query)), (SITE_URL, {}, ["code"]))
        code = {"auth_code": place.query["code"]}
        wrong = {**code, "code_verifier": "x" * 64}
        refused("bad_code_verifier", lambda: plinth.anonymous().auth.exchange_code_for_session(wrong))
        session = client.auth.exchange_code_for_session(code).session
        equal((session.user.email, client.auth.get_user().user.email), (email, email))
        again = {**code, "code_verifier": "x" * 64}
        refused("flow_state_not_found", lambda: client.auth.exchange_code_for_session(again))


def passwords(fact, plinth):
    dora = new_person(plinth, "dora")

    @fact("a wrong password and an unknown address get one and the same answer")
    def _():
        for email, password in ((dora.email, "not her password"), (address("nobody"), dora.password)):
            error = refused("invalid_credentials", lambda: sign_in(plinth.anonymous(), email, password))
            equal((error.status, error.message), (400, "Invalid login credentials"))

    @fact("signing up with the address of an account answers one without identities, and changes nothing")
    def _():
        answer = plinth.anonymous().auth.sign_up({"email": dora.email, "password": "a password of a stranger"})
        equal((answer.session, answer.user.email, answer.user.identities), (None, dora.email, []))
        assert answer.user.id != dora.id
        refused("invalid_credentials", lambda: sign_in(plinth.anonymous(), dora.email, "a password of a stranger"))

    @fact("addresses are the same in capitals")
    def _():
        equal(sign_in(plinth.anonymous(), dora.email.upper(), dora.password).user.id, dora.id)

    @fact("a password that is too short is refused, with the reason")
    def _():
        short = {"email": address("short"), "password": "short"}
        error = refused("weak_password", lambda: plinth.anonymous().auth.sign_up(short))
        equal((error.status, error.reasons), (422, ["length"]))
        refused("weak_password", lambda: dora.client.auth.update_user({"password": "short"}))

    @fact("sign-ups that are none are refused")
    def _():
        bad = {"email": "no address", "password": "a good password"}
        refused("validation_failed", lambda: plinth.anonymous().auth.sign_up(bad))
        refused("anonymous_provider_disabled", lambda: plinth.anonymous().auth.sign_in_anonymously())


def profiles(fact, plinth):
    emil, finn = new_person(plinth, "Emil"), new_person(plinth, "Finn")

    @fact("a trigger has made a profile, which only its owner sees and changes")
    def _():
        mine = emil.client.table("profiles")
        equal(mine.select("*").execute().data, [{"id": emil.id, "name": "Emil"}])
        equal(finn.client.table("profiles").update({"name": "Taken"}).eq("id", emil.id).execute().data, [])
        equal(mine.update({"name": "Emil the Second"}).eq("id", emil.id).execute().data[0]["name"], "Emil the Second")
        equal(plinth.anonymous().table("profiles").select("*").execute().data, [])

    @fact("what a person says about themselves is merged key by key, and is in the next token")
    def _():
        emil.client.auth.update_user({"data": {"colour": "green", "shoe": 43}})
        user = emil.client.auth.update_user({"data": {"colour": "blue", "shoe": None}}).user
        equal((user.user_metadata["colour"], user.user_metadata["name"]), ("blue", "Emil"))
        assert "shoe" not in user.user_metadata
        emil.client.auth.refresh_session()
        equal(emil.client.auth.get_claims()["claims"]["user_metadata"]["colour"], "blue")


def recovery(fact, plinth, mail):
    gina, hugo = new_person(plinth, "gina"), new_person(plinth, "hugo")

    @fact("a forgotten password is chosen anew with the code of a letter")
    def _():
        client = plinth.anonymous()
        events = events_of(client)
        client.auth.reset_password_for_email(gina.email)
        code = mail.letter(gina.email).code
        client.auth.verify_otp({"type": "recovery", "email": gina.email, "token": code})
        equal(events, ["PASSWORD_RECOVERY"])
        refused("same_password", lambda: client.auth.update_user({"password": gina.password}))
        client.auth.update_user({"password": "a fresh password"})

    @fact("then the old password is refused, the new one is good, and older sessions have ended")
    def _():
        refused("invalid_credentials", lambda: sign_in(plinth.anonymous(), gina.email, gina.password))
        equal(sign_in(plinth.anonymous(), gina.email, "a fresh password").user.id, gina.id)
        refused("session_not_found", gina.client.auth.get_user)

    @fact("the link of the letter does as well, with a code to exchange")
    def _():
        client = plinth.anonymous()
        client.auth.reset_password_for_email(hugo.email, {"redirect_to": f"{SITE_URL}/new-password"})
        place = follow(mail.letter(hugo.email).link)
        equal(place.url, f"{SITE_URL}/new-password")
        events = events_of(client)
        client.auth.exchange_code_for_session({"auth_code": place.query["code"]})
        equal(events, ["PASSWORD_RECOVERY"])
        client.auth.update_user({"password": "a fresh password"})
        sign_in(plinth.anonymous(), hugo.email, "a fresh password")


def changes_of_address(fact, plinth, mail):
    ida, jon = new_person(plinth, "ida"), new_person(plinth, "jon")

    @fact("a new address is confirmed by code from both sides; after one of them nothing has changed")
    def _():
        new = address("ida-new")
        user = ida.client.auth.update_user({"email": new}).user
        equal((user.email, user.new_email), (ida.email, new))
        first = {"type": "email_change", "email": ida.email, "token": mail.letter(ida.email).code}
        equal(plinth.anonymous().auth.verify_otp(first).session, None)
        equal(ida.client.auth.get_user().user.email, ida.email)
        second = {"type": "email_change", "email": new, "token": mail.letter(new).code}
        equal(plinth.anonymous().auth.verify_otp(second).session.user.email, new)
        equal(sign_in(plinth.anonymous(), new, ida.password).user.id, ida.id)
        refused("invalid_credentials", lambda: sign_in(plinth.anonymous(), ida.email, ida.password))

    @fact("or by link, in any order")
    def _():
        new = address("jon-new")
        client = plinth.anonymous(flow_type="implicit")
        sign_in(client, jon.email, jon.password)
        client.auth.update_user({"email": new})
        place = follow(mail.letter(new).link)
        assert "confirm" in place.fragment["message"].lower(), place
        place = follow(mail.letter(jon.email).link)
        equal(place.fragment["type"], "email_change")
        equal(client.auth.get_user().user.email, new)

    @fact("an address of another account is refused")
    def _():
        refused("email_exists", lambda: jon.client.auth.update_user({"email": new_person(plinth, "kim").email}))


def sign_in_by_letter(fact, plinth, mail):
    lea, max_ = new_person(plinth, "lea"), new_person(plinth, "max")

    @fact("signing in with the code of a letter")
    def _():
        client = plinth.anonymous()
        client.auth.sign_in_with_otp({"email": lea.email, "options": {"should_create_user": False}})
        letter = mail.letter(lea.email)
        session = client.auth.verify_otp({"type": "email", "email": lea.email, "token": letter.code}).session
        equal(session.user.id, lea.id)

    @fact("signing in with its link, with a code to exchange")
    def _():
        client = plinth.anonymous()
        client.auth.sign_in_with_otp({"email": max_.email})
        place = follow(mail.letter(max_.email).link)
        equal(client.auth.exchange_code_for_session({"auth_code": place.query["code"]}).user.id, max_.id)

    @fact("a letter to a new address makes an account, with a profile, unless that was not asked for")
    def _():
        client, email = plinth.anonymous(), address("nora")
        refused("otp_disabled", lambda: sign_in_with_otp(client, address("nobody"), {"should_create_user": False}))
        sign_in_with_otp(client, email, {"data": {"name": "Nora"}})
        client.auth.verify_otp({"type": "email", "email": email, "token": mail.letter(email).code})
        equal(client.table("profiles").select("name").execute().data, [{"name": "Nora"}])


def sessions(fact, plinth):
    otto = new_person(plinth, "otto")

    @fact("a session is renewed with a new refresh token")
    def _():
        before = otto.client.auth.get_session()
        after = otto.client.auth.refresh_session().session
        assert after.refresh_token != before.refresh_token
        equal(claims(plinth, after)["session_id"], claims(plinth, before)["session_id"])
        refused("refresh_token_not_found", lambda: plinth.anonymous().auth.refresh_session("never-given-to-anybody"))

    @fact("signing out of the other sessions leaves one's own")
    def _():
        phone = plinth.anonymous()
        sign_in(phone, otto.email, otto.password)
        otto.client.auth.sign_out({"scope": "others"})
        refused("session_not_found", phone.auth.get_user)
        equal(otto.client.auth.get_user().user.id, otto.id)

    @fact("signing out revokes the refresh token and ends the session of the access token")
    def _():
        session = otto.client.auth.get_session()
        events = events_of(otto.client)
        otto.client.auth.sign_out()
        equal((events, otto.client.auth.get_session()), (["SIGNED_OUT"], None))
        # Supabase no longer knows the token then, and says refresh_token_not_found.
        error = refused("session_not_found", lambda: plinth.anonymous().auth.refresh_session(session.refresh_token))
        equal(error.status, 400)
        refused("session_not_found", lambda: plinth.anonymous().auth.get_user(session.access_token))
        equal(otto.client.table("profiles").select("*").execute().data, [])

    @fact("a token that somebody has changed is refused")
    def _():
        session = sign_in(plinth.anonymous(), otto.email, otto.password).session
        header, payload, signature = session.access_token.split(".")
        forged = f"{header}.{payload}.{signature[::-1]}"
        refused("bad_jwt", lambda: plinth.anonymous().auth.get_user(forged))


def administration(fact, plinth, mail):
    admin = plinth.service().auth.admin
    paul = new_person(plinth, "paul")

    @fact("an administrator invites somebody, who chooses a password")
    def _():
        email, client = address("quin"), plinth.anonymous()
        invited = admin.invite_user_by_email(email, {"data": {"name": "Quin"}}).user
        assert invited.invited_at and not invited.email_confirmed_at
        client.auth.verify_otp({"type": "invite", "email": email, "token": mail.letter(email).code})
        client.auth.update_user({"password": "a password of quin"})
        equal(sign_in(plinth.anonymous(), email, "a password of quin").user.id, invited.id)
        equal(client.table("profiles").select("name").execute().data, [{"name": "Quin"}])

    @fact("the link of an invitation leads to a session")
    def _():
        email = address("rosa")
        admin.invite_user_by_email(email)
        place = follow(mail.letter(email).link)
        equal(place.fragment["type"], "invite")
        equal(plinth.anonymous().auth.get_user(place.fragment["access_token"]).user.email, email)

    @fact("an administrator makes a link without a letter")
    def _():
        made = admin.generate_link({"type": "magiclink", "email": paul.email}).properties
        client = plinth.anonymous()
        verified = client.auth.verify_otp({"type": "magiclink", "token_hash": made.hashed_token})
        equal(verified.user.id, paul.id)
        refused("otp_expired", lambda: client.auth.verify_otp({"type": "magiclink", "token_hash": made.hashed_token}))

    @fact("an administrator lists accounts page by page, and gets one")
    def _():
        everybody = [user.id for page in range(1, 4) for user in admin.list_users(page=page, per_page=5)]
        equal((len(everybody), len(set(everybody))), (15, 15))
        assert paul.id in [user.id for user in admin.list_users(per_page=1000)]
        equal(admin.get_user_by_id(paul.id).user.email, paul.email)

    @fact("an administrator changes accounts: a new password, what the token says, a ban")
    def _():
        changed = admin.update_user_by_id(paul.id, {"password": "set by others", "app_metadata": {"plan": "big"}}).user
        equal(changed.app_metadata["plan"], "big")
        session = sign_in(plinth.anonymous(), paul.email, "set by others").session
        equal(claims(plinth, session)["app_metadata"]["plan"], "big")
        admin.update_user_by_id(paul.id, {"ban_duration": "24h"})
        refused("user_banned", lambda: sign_in(plinth.anonymous(), paul.email, "set by others"))
        admin.update_user_by_id(paul.id, {"ban_duration": "none"})
        sign_in(plinth.anonymous(), paul.email, "set by others")

    @fact("a deleted account is gone, with its profile and its sessions")
    def _():
        sara = new_person(plinth, "sara")
        admin.delete_user(sara.id)
        refused("user_not_found", lambda: admin.get_user_by_id(sara.id))
        refused("user_not_found", sara.client.auth.get_user)
        refused("invalid_credentials", lambda: sign_in(plinth.anonymous(), sara.email, sara.password))
        equal(plinth.service().table("profiles").select("*").eq("id", sara.id).execute().data, [])

    @fact("nobody else administers")
    def _():
        token = sign_in(plinth.anonymous(), paul.email, "set by others").session.access_token
        signed_in = plinth.anonymous(headers={"Authorization": f"Bearer {token}"})
        for client in (plinth.anonymous(), signed_in):
            equal(refused("not_admin", client.auth.admin.list_users).status, 403)
            refused("not_admin", lambda: client.auth.admin.delete_user(paul.id))
            refused("not_admin", lambda: client.auth.admin.invite_user_by_email(address("nobody")))


async def asynchronously(fact, plinth, mail):
    """The same server through the asynchronous client, several calls at once."""
    client = await plinth.anonymous_async()
    email, password = address("tess"), "a password of tess"

    async def signs_up():
        answer = await client.auth.sign_up({"email": email, "password": password, "options": {"data": {"name": "Tess"}}})
        equal(answer.session, None)
        letter = await asyncio.to_thread(mail.letter, email)
        place = await asyncio.to_thread(follow, letter.link)
        answer = await client.auth.exchange_code_for_session({"auth_code": place.query["code"]})
        equal(answer.user.email, email)
        equal((await client.table("profiles").select("name").execute()).data, [{"name": "Tess"}])

    async def waters():
        days = [f"2026-06-{day:02}" for day in range(1, 21)]
        await asyncio.gather(
            *(client.table("plants").insert({"name": f"of {day}", "watered_on": day}).execute() for day in days)
        )
        rows = (await client.table("plants").select("name, watered_on").order("watered_on").execute()).data
        equal([row["watered_on"] for row in rows], days)
        thirsty = await client.rpc("thirsty_plants", {"on_day": "2026-06-10"}).select("name").order("name").execute()
        equal([row["name"] for row in thirsty.data], ["of 2026-06-01", "of 2026-06-02", "of 2026-06-03"])
        try:
            await client.rpc("water", {"plant": 0, "on_day": "2026-06-10"}).execute()
        except APIError as error:
            equal(error.code, "P0001")
        else:
            raise AssertionError("watered a plant that is not there")

    async def renews_and_signs_out():
        token = (await client.auth.get_session()).refresh_token
        renewed = await asyncio.gather(*(client.auth.refresh_session(token) for _ in range(5)))
        equal(len({answer.session.refresh_token for answer in renewed}), 1)
        await client.auth.sign_out()
        equal(await client.auth.get_session(), None)

    await fact.wait_for("asynchronously: sign-up, letter, link, code, profile", signs_up)
    await fact.wait_for("asynchronously: twenty rows at once, a function that answers rows, one that refuses", waters)
    await fact.wait_for("asynchronously: five renewals at once give one successor; signing out", renews_and_signs_out)


def strangers(fact, plinth, mail):
    uma = new_person(plinth, "uma")

    @fact("asking for a new password says the same of a known and of an unknown address")
    def _():
        unknown = plinth.post("/auth/v1/recover", {"email": address("nobody")})
        known = plinth.post("/auth/v1/recover", {"email": uma.email})
        equal((known.status_code, known.content), (200, b"{}"))
        equal((unknown.status_code, unknown.content), (known.status_code, known.content))
        equal(set(unknown.headers), set(known.headers))
        plinth.anonymous().auth.reset_password_for_email(address("nobody"))

    @fact("after ten wrong codes an address is closed even to the right one")
    def _():
        code = mail.letter(uma.email).code
        client = plinth.anonymous()
        wrong = {"type": "recovery", "email": uma.email, "token": other_code(code)}
        for _ in range(10):
            refused("otp_expired", lambda: client.auth.verify_otp(wrong))
        right = {**wrong, "token": code}
        equal(refused("over_request_rate_limit", lambda: client.auth.verify_otp(right)).status, 429)


def ending(fact, plinth, mail):
    @fact("SIGTERM ends the server with 0")
    def _():
        equal(plinth.stop(), 0)

    @fact("nobody got a letter that is not told of here")
    def _():
        equal(mail.unread(), [])


def sign_in(client, email, password):
    return client.auth.sign_in_with_password({"email": email, "password": password})


def sign_in_with_otp(client, email, options):
    return client.auth.sign_in_with_otp({"email": email, "options": options})


def claims(plinth, session):
    """What the access token of a session says."""
    return plinth.anonymous().auth.get_claims(session.access_token)["claims"]


def events_of(client):
    """A list that grows by everything that happens to the client's session from now on."""
    events = []
    client.auth.on_auth_state_change(lambda event, _: events.append(event))
    return events


def other_code(code):
    return f"{(int(code) + 1) % 1_000_000:06}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python accounts.py PLINTH_BINARY")
    sys.exit(main(sys.argv[1]))
