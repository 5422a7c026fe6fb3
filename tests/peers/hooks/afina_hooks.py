"""What schemathesis cannot know of itself: ids of this caller's own things, and a live session for acts that end one. Told by AFINA_HOOKS, a file of JSON."""
import json
import os
import uuid
import zlib

import requests
import schemathesis

with open(os.environ["AFINA_HOOKS"]) as file:
    TOLD = json.load(file)


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Every other id is one that is there: what a random one never reaches is asked too."""
    known = TOLD["known"].get(context.operation.path, {})
    for name, value in (path_parameters or {}).items():
        try:
            uuid.UUID(str(value))
        except ValueError:
            continue
        if name in known and zlib.crc32(str(value).encode()) % 2:
            path_parameters[name] = known[name]
    return path_parameters


def fresh_session():
    """Headers of a session that nothing has ended yet."""
    address, login, visit = TOLD["address"], TOLD["login"], TOLD["visit"]
    if login is None:
        made = requests.post(address + "/api/visits", json=visit, timeout=30)
        return {"Authorization": "Bearer " + made.json()["session_token"]}
    entered = requests.post(address + "/api/login", json=login, timeout=30)
    return {"Cookie": entered.headers["Set-Cookie"].split(";")[0], "X-CSRF-Token": entered.json()["csrf"]}


@schemathesis.hook
def before_call(context, case, kwargs):
    if not TOLD["fresh"]:
        return
    for name, value in fresh_session().items():
        case.headers[name] = value
