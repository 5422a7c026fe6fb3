"""The OpenAPI document is valid, and schemathesis finds nothing: every operation with every check, as each kind of caller."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from openapi_spec_validator import validate

from collector import PASSPHRASE, call, collector, consent, join
from common import check, finish

ROLES = ("annotator", "reviewer", "engineer", "auditor")
# They end the session they come with, or take everything back: each call gets a session of its own.
ENDS = "^/api/(logout|session/end|withdraw)$"
# Rules over several fields, such as a consent's hash or a name without "@", are said in words: what fits the schema may still be refused.
NOT_ASKED = "positive_data_acceptance"
SCHEMATHESIS = os.path.join(os.path.dirname(sys.executable), "schemathesis")
HOOKS = pathlib.Path(__file__).parent / "hooks"


def known_things(address, caller):
    """Ids of things that this caller has or may see, by path; what they may not make is left out."""
    known, made = {}, {}

    def make(name, path, body, field="id"):
        _, answer, _ = call(address, "POST", path, body, headers={**caller, "Idempotency-Key": os.urandom(8).hex()})
        if isinstance(answer, dict) and isinstance(answer.get(field), str):
            made[name] = answer[field]
    make("conversation", "/api/conversations", {})
    make("project", "/api/projects", {"name": "de " + os.urandom(4).hex(), "kind": "pairwise", "overlap": 1})
    make("webhook", "/api/webhooks", {"url": "https://example.org/hook", "types": ["*"]})
    make("invitation", "/api/invitations", {"role": "annotator"})
    make("token", "/api/tokens", {"name": "otro", "scopes": ["read"], "days": 1})
    if "conversation" in made:
        try:
            call(address, "POST", f"/api/conversations/{made['conversation']}/messages", {"text": "¿Pan?", "answers": 1}, headers={**caller, "Idempotency-Key": "k"})
        except ValueError:
            pass  # a stream of events is no JSON
        _, shown, _ = call(address, "GET", f"/api/conversations/{made['conversation']}", headers=caller)
        made["turn"] = shown["turns"][0]["id"]
    for path in ("", "/messages", "/turns/{turn}/retry", "/turns/{turn}/regenerate", "/turns/{turn}/stream"):
        known["/api/conversations/{id}" + path] = {"id": made.get("conversation"), "turn": made.get("turn")}
    known["/api/answers/{conversation}/{turn}/notes"] = {"conversation": made.get("conversation"), "turn": made.get("turn")}
    if "project" in made:
        item = {"prompt": [{"role": "user", "content": "¿Pan?"}], "answers": [{"text": "uno"}, {"text": "dos"}]}
        call(address, "POST", f"/api/projects/{made['project']}/items", {"items": [item, item]}, headers={**caller, "Idempotency-Key": "i"})
        _, items, _ = call(address, "GET", f"/api/projects/{made['project']}/items", headers=caller)
        known["/api/items/{id}/adjudicate"] = {"id": items["items"][0]["id"]}
        _, task, _ = call(address, "POST", f"/api/projects/{made['project']}/next", {}, headers=caller)
        for act in ("heartbeat", "draft", "skip", "submit"):
            known[f"/api/assignments/{{id}}/{act}"] = {"id": task["task"]["assignment"]}
    for path in ("", "/items", "/items/from", "/next", "/disagreements", "/agreement", "/annotators"):
        known["/api/projects/{id}" + path] = {"id": made.get("project")}
    for path in ("/disable", "/enable", "/test", "/deliveries"):
        known["/api/webhooks/{id}" + path] = {"id": made.get("webhook")}
    known["/api/invitations/{id}/revoke"] = {"id": made.get("invitation")}
    known["/api/tokens/{id}/revoke"] = {"id": made.get("token")}
    return {path: {name: value for name, value in names.items() if value} for path, names in known.items()}


def ways_of(headers):
    """Security schemes of the document that this caller uses; None: all, to be refused by each."""
    if not headers:
        return None
    if "X-CSRF-Token" in headers:
        return []  # its headers are set for every call: what happens without them is asked as nobody
    bearer = headers.get("Authorization", "")
    return ["api_token"] if bearer.startswith("Bearer afina_") else ["visitor_token"] if bearer else []


def as_seen_by(document, ways):
    """With the caller's own way of signing in alone: schemathesis makes up credentials for the others, and takes an answer to the true one for theirs."""
    seen = json.loads(json.dumps(document))
    if ways is None:
        return seen
    for path in seen["paths"].values():
        for operation in path.values():
            own = [way for way in operation["security"] if sorted(way) in ([], sorted(ways))]
            operation["security"] = (own or operation["security"]) if ways else []
    return seen


class Run:
    def __init__(self, address, folder):
        self.address, self.folder = address, folder
        self.document = os.path.join(folder, "openapi.json")
        self.settings = os.path.join(folder, "schemathesis.toml")
        _, self.whole_document, _ = call(address, "GET", "/api/openapi.json")
        validate(self.whole_document)
        check("openapi-spec-validator", True, f"{sum(len(p) for p in self.whole_document['paths'].values())} operations")
        # TRACE is no method of ours: 501 is RFC 9110's answer to it, and no error of the server.
        with open(self.settings, "w") as file:
            file.write('[phases.coverage]\nunexpected-methods = ["PUT", "PATCH", "DELETE"]\n')
            # Long nonsense is refused by the length of its target or head before anybody looks into it.
            file.write('[checks.negative_data_rejection]\nexpected-statuses = ["400", "401", "403", "404", "405", "409", "413", "414", "415", "422", "429", "431"]\n')

    def once(self, who, headers, ways, told, which):
        with open(self.document, "w") as file:
            json.dump(as_seen_by(self.whole_document, ways), file)
        with open(os.path.join(self.folder, "told.json"), "w") as file:
            json.dump({"address": self.address, "known": {}, "login": None, "visit": None, "fresh": False, **told}, file)
        pieces = [piece for name, value in headers.items() for piece in ("-H", f"{name}: {value}")]
        # Where each call gets a session of its own, none is without one.
        not_asked = NOT_ASKED + (",ignored_auth,missing_required_header" if told.get("fresh") else "")
        done = subprocess.run(
            [SCHEMATHESIS, "--config-file", self.settings, "run", self.document, "--url", self.address, "--checks", "all", "--exclude-checks", not_asked, "--phases", "examples,coverage,fuzzing",
             "-n", os.environ.get("EXAMPLES", "6"), "--seed", "1", "--no-color", *which, *pieces],
            capture_output=True, text=True, env={**os.environ, "AFINA_HOOKS": file.name, "SCHEMATHESIS_HOOKS": "afina_hooks", "PYTHONPATH": str(HOOKS)})
        check(who, done.returncode == 0, done.stdout[-12000:] + done.stderr[-2000:] if done.returncode else done.stdout.strip().splitlines()[-1].strip("= "))

    def whole(self, who, headers, login, visit):
        ways = ways_of(headers)
        self.once(f"schemathesis as {who}", headers, ways, {"known": known_things(self.address, headers) if headers else {}}, ["--exclude-path-regex", ENDS])
        if headers and not (who == "token"):
            self.once(f"schemathesis as {who}, acts that end a session", {}, ways, {"fresh": True, "login": login, "visit": visit}, ["--include-path-regex", ENDS])


def main():
    wanted = os.environ.get("CALLERS", "").split()
    with collector() as (address, admin, token, log), tempfile.TemporaryDirectory() as folder:
        run = Run(address, folder)
        visit = {**consent(address), "kind": "api"}
        _, visitor, _ = call(address, "POST", "/api/visits", visit)
        callers = [("nobody", {}, None), ("visitor", {"Authorization": "Bearer " + visitor["session_token"]}, None)]
        for role in ROLES:
            _, invitation, _ = call(address, "POST", "/api/invitations", {"role": role}, headers=admin)
            callers.append((role, join(address, invitation["link"], role), {"name": role, "password": PASSPHRASE}))
        callers += [("admin", admin, {"name": "jefa", "password": PASSPHRASE}), ("token", {"Authorization": "Bearer " + token}, None)]
        for who, headers, login in callers:
            if not wanted or who in wanted:
                run.whole(who, headers, login, visit)
        check("the log has no internal error", not any("inside the server" in line for line in log))
    finish()


if __name__ == "__main__":
    main()
