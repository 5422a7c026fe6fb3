"""A collector with a fake model for the peers that call its API: PostgreSQL of its own, accounts of every role."""
import contextlib
import http.server
import json
import os
import re
import subprocess
import threading
import time
import urllib.request

from common import AFINA, workspace

COLLECTOR = AFINA.parent / "afina-collector"
ANSWER = "Una respuesta útil: usa una olla de hierro con tapa, ¡ñandú incluido!"
PASSPHRASE = "una frase larga que nadie adivina"


class Model(http.server.BaseHTTPRequestHandler):
    """Streams one answer in OpenAI's form."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        chunks = [{"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}]
        chunks += [{"choices": [{"index": 0, "delta": {"content": word + " "}}]} for word in ANSWER.split()]
        chunks += [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
                   {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}}]
        for chunk in chunks:
            chunk.update(id="x", object="chat.completion.chunk", created=1, model=body["model"])
        data = "".join(f"data: {json.dumps(c)}\n\n" for c in chunks) + "data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(data.encode())))
        self.end_headers()
        self.wfile.write(data.encode())

    def log_message(self, *_):
        pass


def call(address, method, path, body=None, token="", headers=None):
    """Status and JSON of one request."""
    request = urllib.request.Request(address + path, method=method, data=None if body is None else json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", "Bearer " + token)
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.loads(response.read() or b"null"), response.headers
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null"), error.headers


def consent(address):
    _, text, _ = call(address, "GET", "/api/consent/es")
    return {"locale": "es", "consent_version": text["version"], "consent_sha256": text["sha256"],
            "purposes": ["collect", "train", "review"], "adult": True}


def join(address, link, name):
    """A browser's session of a new account: cookie and CSRF token."""
    token = link.rsplit("#", 1)[1].strip()
    status, me, headers = call(address, "POST", "/api/join", {"token": token, "name": name, "password": PASSPHRASE, **consent(address)})
    assert status == 201, (status, me)
    cookie = next(v.split(";")[0] for k, v in headers.items() if k == "Set-Cookie" and v.startswith("afina-account="))
    _, me, _ = call(address, "GET", "/api/me", headers={"Cookie": cookie})
    return {"Cookie": cookie, "X-CSRF-Token": me["csrf"]}


@contextlib.contextmanager
def running(*settings, model=Model):
    """A collector over two models: its address, its home and its log."""
    models = http.server.ThreadingHTTPServer(("127.0.0.1", 0), model)
    threading.Thread(target=models.serve_forever, daemon=True).start()
    with workspace() as folder:
        os.chmod(folder, 0o755)
        url = f"http://127.0.0.1:{models.server_port}"
        command = [str(COLLECTOR), "--home", folder, "--port", "0", "--upstream", f"uno={url}", "--upstream", f"dos={url}"]
        for setting in settings:
            command += ["--set", setting]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        log = []
        try:
            address = ""
            until = time.monotonic() + 60
            while not address and time.monotonic() < until:
                line = process.stderr.readline()
                log.append(line)
                found = re.search(r"serving (http://\S+)", line)
                address = found.group(1) if found else ""
            assert address, "".join(log)
            threading.Thread(target=lambda: log.extend(process.stderr), daemon=True).start()
            yield address, folder, log
        finally:
            process.terminate()
            process.wait(timeout=60)
            models.shutdown()


@contextlib.contextmanager
def collector(*settings):
    """The address, an admin's session headers, a token with all scopes and the log; nobody is too fast for it."""
    with running("acts_per_minute=0", "messages_per_minute=0", *settings) as (address, folder, log):
        made = subprocess.run([str(AFINA), "accounts", "create-admin", "--name", "jefa"], capture_output=True, text=True,
                              env={**os.environ, "AFINA_HOME": folder})
        link = re.search(r"\S*/join#\S+", made.stdout)
        assert link, made.stdout + made.stderr
        admin = join(address, link.group(0), "jefa")
        status, made, _ = call(address, "POST", "/api/tokens", {"name": "todo", "days": 1, "scopes": ["chat", "judge", "tasks", "review", "read", "data", "admin", "proxy"]},
                               headers=admin)
        assert status == 201, made
        yield address, admin, made["token"], log
