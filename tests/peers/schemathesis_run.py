"""The OpenAPI document is valid, and schemathesis finds nothing: as a visitor, an engineer and an admin."""
import json
import os
import subprocess
import sys
import tempfile

from openapi_spec_validator import validate

from collector import call, collector, consent, join
from common import check, finish

# What a random caller must not do here: end its own session, take everything back, change its own passphrase, import
# 64 MiB, or hold an event stream.
LEFT_OUT = "/api/(logout|login|join|password|withdraw|visits|session/end|sessions/.*|tokens/.*|imports|accounts/.*)|.*/(stream|messages|retry|regenerate)"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance"


def headers_of(session):
    return [piece for name, value in session.items() for piece in ("-H", f"{name}: {value}")]


def main():
    examples = os.environ.get("EXAMPLES", "12")
    with collector() as (address, admin, _, log), tempfile.TemporaryDirectory() as folder:
        _, document, _ = call(address, "GET", "/api/openapi.json")
        validate(document)
        check("openapi-spec-validator", True, f"{sum(len(p) for p in document['paths'].values())} operations")
        path = os.path.join(folder, "openapi.json")
        with open(path, "w") as file:
            json.dump(document, file)
        # TRACE is no method of ours: 501 is RFC 9110's answer to it, and no error of the server.
        settings = os.path.join(folder, "schemathesis.toml")
        with open(settings, "w") as file:
            file.write('[phases.coverage]\nunexpected-methods = ["PUT", "PATCH"]\n')
        _, visit, _ = call(address, "POST", "/api/visits", {**consent(address), "kind": "api"})
        _, invitation, _ = call(address, "POST", "/api/invitations", {"role": "engineer"}, headers=admin)
        engineer = join(address, invitation["link"], "ingeniera")
        for who, session in [("visitor", {"Authorization": "Bearer " + visit["session_token"]}), ("engineer", engineer), ("admin", admin)]:
            done = subprocess.run([os.path.join(os.path.dirname(sys.executable), "schemathesis"), "--config-file", settings, "run", path, "--url", address, "--checks", CHECKS,
                                   "--phases", "examples,coverage,fuzzing", "-n", examples, "--exclude-path-regex", LEFT_OUT, "--seed", "1", "--no-color",
                                   *headers_of(session)], capture_output=True, text=True)
            check(f"schemathesis as {who}", done.returncode == 0, "" if done.returncode == 0 else done.stdout[-6000:])
        check("the log has no internal error", not any("inside the server" in line for line in log))
    finish()


if __name__ == "__main__":
    main()
