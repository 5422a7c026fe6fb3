"""The recipes of packaging/ as they stand, in front of a collector: nginx and Caddy with a certificate of our own, and systemd's own opinion of the units."""
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

from collector import PASSPHRASE, Model, running
from common import ROOT, check, finish

SITE = "collect.example.org"
PACKAGING = ROOT / "packaging"
LONGEST_S = 20  # a stream that was held back ends by this


class SlowModel(Model):
    """Says one word, and the rest when it is told to: whoever waits for the first word must not wait for the last."""
    may_end = threading.Event()

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for content, wait in [("primera", False), (" segunda", True)]:
            if wait:
                self.may_end.wait(LONGEST_S)
            self.say({"choices": [{"index": 0, "delta": {"content": content}}]})
        self.say({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def say(self, chunk):
        chunk.update(id="x", object="chat.completion.chunk", created=1, model="m")
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.flush()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Site(http.client.HTTPSConnection):
    """The site by its name and with its certificate, at a port of loopback and from an address of our choice."""

    def __init__(self, port, certificate, source):
        super().__init__(SITE, port, timeout=LONGEST_S + 10, context=ssl.create_default_context(cafile=certificate), source_address=(source, 0))
        self.port_here = port

    def connect(self):
        plain = socket.create_connection(("127.0.0.1", self.port_here), self.timeout, self.source_address)
        self.sock = self._context.wrap_socket(plain, server_hostname=SITE)


class Visitor:
    """A browser: keeps cookies, sends the site's name as Host and Origin."""

    def __init__(self, connect):
        self.connect, self.cookies = connect, {}

    def open(self, method, path, body=None, headers=None):
        connection = self.connect()
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        all_headers = {"Host": SITE, "Content-Type": "application/json", "Origin": f"https://{SITE}", "Idempotency-Key": os.urandom(8).hex(), **(headers or {})}
        if self.cookies:
            all_headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        connection.request(method, path, data, all_headers)
        answer = connection.getresponse()
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, value = line.split(";")[0].split("=", 1)
            self.cookies[name] = value
        return connection, answer

    def call(self, method, path, body=None, headers=None):
        connection, answer = self.open(method, path, body, headers)
        with contextlib.closing(connection):
            text = answer.read()
            try:
                return answer.status, json.loads(text or b"null"), answer.headers
            except ValueError:
                return answer.status, text, answer.headers


def certificate(folder):
    pem, key = os.path.join(folder, "site.pem"), os.path.join(folder, "site.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={SITE}",
                    "-addext", f"subjectAltName=DNS:{SITE}", "-keyout", key, "-out", pem], check=True, capture_output=True)
    return pem, key


def replaced(text, changes):
    """A recipe whose every change is needed: one that is not found means that the recipe is another one now."""
    for old, new in changes:
        assert old in text, f"the recipe has no '{old}'"
        text = text.replace(old, new)
    return text


@contextlib.contextmanager
def process(command, port, log):
    with open(log, "w") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert child.poll() is None and time.monotonic() < until, pathlib.Path(log).read_text()
                time.sleep(0.05)
        yield
    finally:
        child.terminate()
        try:
            child.wait(timeout=20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextlib.contextmanager
def nginx(folder, upstream, changes=()):
    pem, key = certificate(folder)
    port, plain = free_port(), free_port()
    site = replaced((PACKAGING / "nginx.conf").read_text(), [
        ("127.0.0.1:8080", f"127.0.0.1:{upstream}"), ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"), ("  listen [::]:443 ssl http2;\n", ""),
        ("  listen 80;\n  listen [::]:80;", f"  listen 127.0.0.1:{plain};"),
        (f"/etc/letsencrypt/live/{SITE}/fullchain.pem", pem), (f"/etc/letsencrypt/live/{SITE}/privkey.pem", key),
        ("/var/log/nginx/afina.error.log", f"{folder}/site.log"), *changes])
    main = os.path.join(folder, "nginx.conf")
    with open(main, "w") as file:
        file.write(f"daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;\nevents {{ worker_connections 256; }}\nhttp {{\n"
                   f"client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n{site}}}\n")
    command = ["nginx", "-p", folder, "-c", main, "-e", f"{folder}/error.log"]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert tested.returncode == 0 and "warn" not in tested.stderr, tested.stderr
    with process(command, port, f"{folder}/out"):
        yield port, plain, pem


@contextlib.contextmanager
def caddy(folder, upstream, changes=()):
    pem, key = certificate(folder)
    port = free_port()
    site = replaced((PACKAGING / "Caddyfile").read_text(), [
        ("127.0.0.1:8080", f"127.0.0.1:{upstream}"), (f"{SITE} {{", f"https://{SITE}:{port} {{\n  tls {pem} {key}\n  bind 127.0.0.1"), *changes])
    path = os.path.join(folder, "Caddyfile")
    with open(path, "w") as file:
        file.write("{\n  admin off\n  auto_https disable_redirects\n  storage file_system " + folder + "\n}\n" + site)
    environment = {**os.environ, "HOME": folder, "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
    tested = subprocess.run(["caddy", "validate", "--adapter", "caddyfile", "--config", path], capture_output=True, text=True, env=environment)
    assert tested.returncode == 0, tested.stderr
    with process(["env", f"HOME={folder}", f"XDG_DATA_HOME={folder}", f"XDG_CONFIG_HOME={folder}", "caddy", "run", "--adapter", "caddyfile", "--config", path], port, f"{folder}/out"):
        yield port, 0, pem


def consented(visitor):
    _, text, _ = visitor.call("GET", "/api/consent/es")
    return visitor.call("POST", "/api/visits", {"locale": "es", "consent_version": text["version"], "consent_sha256": text["sha256"], "purposes": ["collect"],
                                                "adult": True, "kind": "person"})


def first_before_last(visitor):
    """Whether the model's first word is here while its last one is not said yet."""
    _, made, _ = visitor.call("POST", "/api/conversations", {})
    SlowModel.may_end.clear()
    began = time.monotonic()
    connection, answer = visitor.open("POST", f"/api/conversations/{made['id']}/messages", {"text": "¿Qué tal?", "answers": 1})
    with contextlib.closing(connection):
        assert answer.status == 200, answer.read()
        seen = b""
        while b"primera" not in seen:
            piece = answer.read1(65536)
            if not piece:
                break
            seen += piece
        early = b"primera" in seen and b"segunda" not in seen and time.monotonic() - began < LONGEST_S / 2
        SlowModel.may_end.set()
        rest = seen + answer.read()
    return early, b"segunda" in rest


def poured(connect, size):
    """The status for a body of that many bytes, or "closed" where the other side hung up while it was sent."""
    connection = connect()
    with contextlib.closing(connection):
        connection.putrequest("POST", "/api/votes", skip_host=True)
        for name, value in (("Host", SITE), ("Content-Type", "application/json"), ("Content-Length", str(size))):
            connection.putheader(name, value)
        connection.endheaders()
        sent = 0
        with contextlib.suppress(OSError):
            while sent < size:
                connection.send(b"x" * min(65536, size - sent))
                sent += 65536
        try:
            return str(connection.getresponse().status)
        except (OSError, http.client.HTTPException):
            return "closed"


def tries(connect, headers_of, most=40):
    """How many sign-ins in a row are let through before 429."""
    for n in range(most):
        status, _, _ = Visitor(connect).call("POST", "/api/login", {"name": f"nadie {os.urandom(4).hex()}", "password": PASSPHRASE}, headers_of(n))
        if status == 429:
            return n
        assert status == 401, status
    return most


def spoofed(_):
    return {"X-Forwarded-For": f"198.51.100.{os.urandom(1)[0]}", "X-Real-IP": "198.51.100.7", "Forwarded": "for=198.51.100.7"}


def direct(port, source):
    return lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=30, source_address=(source, 0))


def try_site(name, recipe, upstream):
    with tempfile.TemporaryDirectory(prefix="afina-deploy-") as folder, recipe(folder, upstream) as (port, plain, pem):
        os.chmod(folder, 0o755)

        def browser(source):
            return Visitor(lambda: Site(port, pem, source))
        ana = browser("127.0.0.2")
        status, page, headers = ana.call("GET", "/")
        check(f"{name}: the page comes over TLS", status == 200 and b"<html" in page, str(status))
        check(f"{name}: HSTS and one of each security header", bool(headers.get("Strict-Transport-Security")) and all(len(headers.get_all(h) or []) == 1 for h in (
            "Strict-Transport-Security", "Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy")))
        if plain:
            connection = http.client.HTTPConnection("127.0.0.1", plain, timeout=10)
            connection.request("GET", "/join", headers={"Host": SITE})
            answer = connection.getresponse()
            check(f"{name}: plain HTTP leads to TLS", answer.status == 301 and answer.headers["Location"] == f"https://{SITE}/join")
            connection.close()
        status, _, headers = consented(ana)
        cookie = headers.get("Set-Cookie", "")
        check(f"{name}: the cookie is __Host-, Secure, HttpOnly, SameSite", status == 201 and re.match(r"__Host-afina=[0-9a-f]{64};", cookie) is not None
              and all(word in cookie for word in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/")) and "Domain" not in cookie, cookie.split("=")[0])
        check(f"{name}: the visitor is known by it", ana.call("GET", "/api/me")[1]["who"] == "visitor")
        early, whole = first_before_last(ana)
        check(f"{name}: an answer's first word comes before its last is said", early and whole)
        status, _, _ = ana.call("GET", "/api/me", headers={"X-Long": "x" * 60_000})
        check(f"{name}: 60,000 bytes of headers are refused", status in (400, 413, 431), str(status))
        status, _, _ = ana.call("GET", "/api/me", headers={f"X-{i}": "y" for i in range(300)})
        check(f"{name}: 300 headers are refused", status in (400, 413, 431), str(status))
        status, page, _ = ana.call("GET", "/", headers={"Host": "evil.example"})
        check(f"{name}: under another site's name there is no page", b"<html" not in (page or b""), str(status))
        for megabytes in (1, 70):
            answer = poured(lambda: Site(port, pem, "127.0.0.2"), megabytes * 1_000_000)
            check(f"{name}: {megabytes} MB where a vote is wanted are refused", answer in ("413", "closed"), answer)
        check(f"{name}: and it still answers", ana.call("GET", "/api/me")[0] == 200)
        # 20 sign-ins a minute for an address.
        first = tries(lambda: Site(port, pem, "127.0.0.3"), lambda _: {})
        check(f"{name}: sign-ins of one address are limited", 15 <= first <= 25, str(first))
        check(f"{name}: claiming other addresses does not help it", tries(lambda: Site(port, pem, "127.0.0.3"), spoofed) <= 2)
        other = tries(lambda: Site(port, pem, "127.0.0.4"), spoofed)
        check(f"{name}: another address has tries of its own, and no more by claims", 15 <= other <= 25, str(other))


def control(upstream):
    """The same question to a recipe that holds back: the check above can fail."""
    holds = [("    proxy_buffering off;\n    proxy_cache off;", "    proxy_buffering on;\n    proxy_ignore_headers X-Accel-Buffering;")]
    with tempfile.TemporaryDirectory(prefix="afina-deploy-") as folder, nginx(folder, upstream, holds) as (port, _, pem):
        ana = Visitor(lambda: Site(port, pem, "127.0.0.5"))
        consented(ana)
        threading.Timer(LONGEST_S * 0.6, SlowModel.may_end.set).start()
        return first_before_last(ana)[0]


def units():
    if not shutil.which("systemd-analyze"):
        check("systemd-analyze is not here: the units were not looked at", False)
        return
    for unit in ("afina-collector.service", "afina-backup.service", "afina-backup.timer"):
        done = subprocess.run(["systemd-analyze", "verify", str(PACKAGING / unit)], capture_output=True, text=True)
        # What is not installed on this machine is no fault of the unit.
        found = [line for line in (done.stdout + done.stderr).splitlines() if line.strip() and "/usr/bin/afina" not in line]
        check(f"systemd-analyze verify {unit}", not found, "; ".join(found))
    for unit, most in (("afina-collector.service", 1.5), ("afina-backup.service", 1.6)):
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", str(PACKAGING / unit)], capture_output=True, text=True)
        level = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
        check(f"systemd-analyze security {unit} is at most {most}", level is not None and float(level.group(1)) <= most, level.group(1) if level else done.stderr)


def main():
    units()
    settings = (f'public_hosts=["{SITE}"]', 'trusted_proxies=["127.0.0.1"]', "host=127.0.0.1")
    for name, recipe in (("nginx", nginx), ("caddy", caddy)):
        if not shutil.which(name):
            check(f"{name} is not here (apt-get install nginx-light caddy): its recipe was not tried", False)
            continue
        with running(*settings, model=SlowModel) as (address, _, log):
            upstream = int(address.rsplit(":", 1)[1])
            try_site(name, recipe, upstream)
            # Not through the proxy, from an address that is none: what it claims is not believed.
            got = tries(direct(upstream, "127.0.0.9"), spoofed)
            check(f"{name}: past the proxy X-Forwarded-For is not believed", 15 <= got <= 25, str(got))
            if name == "nginx":
                check("control: a recipe that buffers holds the first word back", not control(upstream))
            check(f"{name}: the log has no internal error", not any("inside the server" in line for line in log))
    finish()


if __name__ == "__main__":
    main()
