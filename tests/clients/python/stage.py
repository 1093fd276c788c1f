"""What the stories need around them: a running Plinth, a mail server that keeps letters, a line for each fact."""

import html
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import traceback
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
from aiosmtpd.controller import Controller
from postgrest import APIError
from supabase import AsyncClient, AsyncClientOptions, AuthError, Client, ClientOptions, create_async_client, create_client

SITE_URL = "http://127.0.0.1:3000"
SENDER = "Plants <plants@example.com>"

# Nothing here takes a second; these say when to give up.
READY_SECONDS = 15
LETTER_SECONDS = 10
STOP_SECONDS = 15
COMMAND_SECONDS = 10
REQUEST_SECONDS = 10

# How often the server is asked whether it is ready.
POLL_SECONDS = 0.02


class Facts:
    """Prints one line for each fact, and counts those that do not hold."""

    def __init__(self):
        self.held = 0
        self.failed = 0

    def __call__(self, sentence):
        """Runs the function below it at once."""

        def run(check):
            try:
                check()
            except Exception as error:
                self._fails(sentence, error)
            else:
                self._holds(sentence)

        return run

    async def wait_for(self, sentence, check):
        """The same for a coroutine function."""
        try:
            await check()
        except Exception as error:
            self._fails(sentence, error)
        else:
            self._holds(sentence)

    def _holds(self, sentence):
        self.held += 1
        print(f"ok      {sentence}", flush=True)

    def _fails(self, sentence, error):
        self.failed += 1
        place = traceback.extract_tb(error.__traceback__)[1:2]
        where = "".join(f"{Path(frame.filename).name}:{frame.lineno}: {frame.line}\n" for frame in place)
        what = where + f"{type(error).__name__}: {error!r}"
        print(f"FAILED  {sentence}\n        " + what.replace("\n", "\n        "), flush=True)


def equal(found, wanted):
    assert found == wanted, f"found {found!r}, wanted {wanted!r}"


def eventually(ask, is_right):
    """Asks until the answer is as it should be; fails with what was seen last."""
    end = time.monotonic() + READY_SECONDS
    while not is_right(seen := ask()):
        assert time.monotonic() < end, f"still {seen!r}"
        time.sleep(POLL_SECONDS)
    return seen


def refused(code, call):
    """The error of a call that must be refused with this code."""
    try:
        answer = call()
    except (APIError, AuthError) as error:
        equal(error.code, code)
        return error
    raise AssertionError(f"not refused with {code}, but answered {answer!r}")


@dataclass
class Letter:
    """A letter as it came from the wire."""

    sender: str
    to: list[str]
    message: EmailMessage

    @property
    def html(self) -> str:
        return self._part("html")

    @property
    def text(self) -> str:
        return self._part("plain")

    @property
    def link(self) -> str:
        return html.unescape(re.search(r'href="([^"]+)"', self.html)[1])

    @property
    def code(self) -> str:
        return re.search(r"^.*\b(\d{6})\b", re.sub(r"https?:\S+", "", self.text), re.MULTILINE)[1]

    def _part(self, kind) -> str:
        part = self.message.get_body(preferencelist=(kind,))
        assert part is not None, f"the letter has no part text/{kind}"
        return part.get_content()


class Mailbox:
    """A mail server on a free port of the loopback address. It takes every letter and keeps it until it is read."""

    def __init__(self):
        self._letters: list[Letter] = []
        self._changed = threading.Condition()
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port())

    def __enter__(self):
        self._controller.start()
        return self

    def __exit__(self, *_):
        self._controller.stop()

    @property
    def settings(self) -> str:
        """How Plinth is told to send its letters here."""
        return f"""
[mail]
smtp_host = "127.0.0.1"
smtp_port = {self._controller.port}
smtp_security = "none"
from = "{SENDER}"
"""

    async def handle_DATA(self, _server, _session, envelope):
        """Called by aiosmtpd for every letter, on a thread of its own."""
        message = message_from_bytes(envelope.content, policy=policy.default)
        with self._changed:
            self._letters.append(Letter(envelope.mail_from, envelope.rcpt_tos, message))
            self._changed.notify_all()
        return "250 OK"

    def letter(self, to) -> Letter:
        """Waits for a letter to this address, and takes it out of the box."""

        def first():
            return next((one for one in self._letters if one.to == [to]), None)

        with self._changed:
            found = self._changed.wait_for(first, LETTER_SECONDS)
            assert found, f"no letter to {to}"
            self._letters.remove(found)
            return found

    def unread(self) -> list[str]:
        """To whom the letters went that nobody waited for."""
        with self._changed:
            return [address for letter in self._letters for address in letter.to]


class Plinth:
    """A copy of an application's folder, served as in production until the end of the `with`.

    Where its data is, the environment may say.
    """

    def __init__(self, binary, app, settings=""):
        self._binary = binary
        self._app = app
        self._settings = settings
        self._listen = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self._listen}"

    def __enter__(self):
        self._home = Path(tempfile.mkdtemp(prefix="plinth-python-"))
        try:
            self._start()
        except BaseException:
            self._clean()
            raise
        return self

    def __exit__(self, *_):
        self._clean()

    def anonymous(self, **options) -> Client:
        """A client of somebody who is not signed in yet."""
        return self._client(self.anon_key, **options)

    def service(self) -> Client:
        """A client that no policy holds back."""
        return self._client(self.service_key)

    async def anonymous_async(self) -> AsyncClient:
        options = AsyncClientOptions(auto_refresh_token=False, postgrest_client_timeout=REQUEST_SECONDS)
        return await create_async_client(self.url, self.anon_key, options)

    def post(self, path, body) -> httpx.Response:
        """A request without a client library, for what the library does not show of an answer."""
        return httpx.post(self.url + path, json=body, headers={"apikey": self.anon_key}, timeout=REQUEST_SECONDS)

    def stop(self) -> int:
        """Asks the server to end, and answers its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_SECONDS)

    def run(self, *args) -> str:
        """Runs one of its commands to the end: what it prints."""
        command = [self._binary, *args]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS)
        assert ended.returncode == 0, f"{args} ended with {ended.returncode}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    def variables(self, *args) -> dict[str, str]:
        """The same of a command that prints `NAME="value"` lines."""
        return dict(re.findall(r'^(\w+)="(.*)"$', self.run(*args), re.MULTILINE))

    def log(self) -> str:
        return (self._home / "log").read_text()

    def _client(self, key, **options) -> Client:
        options = ClientOptions(auto_refresh_token=False, postgrest_client_timeout=REQUEST_SECONDS, **options)
        return create_client(self.url, key, options)

    def _start(self):
        self.folder = self._home / "app"
        shutil.copytree(self._app, self.folder)
        (self.folder / "plinth.toml").write_text(
            f"""
[server]
listen = "{self._listen}"

[auth]
site_url = "{SITE_URL}"
redirect_urls = ["plants://**"]
{self._settings}"""
        )
        with open(self._home / "log", "wb") as log:
            self._process = subprocess.Popen([self._binary, "serve", self.folder], stdout=log, stderr=log)
        self._wait_until_ready()
        env = self.variables("status", self.folder, "-o", "env")
        equal(env["API_URL"], self.url)
        self.anon_key = env["ANON_KEY"]
        self.service_key = env["SERVICE_ROLE_KEY"]

    def _wait_until_ready(self):
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise RuntimeError(f"plinth ended with {self._process.returncode}:\n{self.log()}")
            try:
                if httpx.get(f"{self.url}/health", timeout=1).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(POLL_SECONDS)
        raise RuntimeError(f"plinth is not ready after {READY_SECONDS} s:\n{self.log()}")

    def _clean(self):
        process = getattr(self, "_process", None)
        if process and process.poll() is None:
            process.kill()
            process.wait(STOP_SECONDS)
        shutil.rmtree(self._home)


@dataclass
class Person:
    """Somebody with an account and a client."""

    client: Client
    id: str
    email: str
    password: str


def new_person(plinth, name) -> Person:
    """A person whose address needs no letter any more, signed in."""
    email, password = address(name), f"password of {name}"
    attributes = {"email": email, "password": password, "email_confirm": True, "user_metadata": {"name": name}}
    user = plinth.service().auth.admin.create_user(attributes).user
    client = plinth.anonymous()
    client.auth.sign_in_with_password({"email": email, "password": password})
    return Person(client, user.id, email, password)


def address(name) -> str:
    """An address of nobody else, because one gets a letter a minute."""
    return f"{name}-{uuid4()}@example.com"


@dataclass
class Place:
    """Where a link leads."""

    url: str
    query: dict[str, str]
    fragment: dict[str, str]


def follow(link) -> Place:
    """Follows a link of a letter to the application, as a browser would."""
    answer = httpx.get(link, follow_redirects=False, timeout=REQUEST_SECONDS)
    equal(answer.status_code, 303)
    parts = urlsplit(answer.headers["location"])
    values = [{name: each[0] for name, each in parse_qs(text).items()} for text in (parts.query, parts.fragment)]
    return Place(f"{parts.scheme}://{parts.netloc}{parts.path}", *values)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# All of it stays on this machine, whatever proxy the environment names.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
