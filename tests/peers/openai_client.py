"""The real openai client against `afina serve`: what it sends is understood, what it gets is what it expects."""
import concurrent.futures
import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import time

import openai
from openai import OpenAI

from common import AFINA, GOLDEN, SMOLLM2, check, finish, workspace

KEY = "a-key-of-this-test-only"
USER = [{"role": "user", "content": "Name three colours."}]
SHORT = [{"role": "user", "content": "What is the capital of France?"}]
GREEDY = {"model": "smol", "messages": USER, "temperature": 0, "max_tokens": 24}


@contextlib.contextmanager
def server(*arguments, **environment):
    """The client of a running server, and the server's process."""
    with workspace() as folder:
        port = os.path.join(folder, "port")
        command = [str(AFINA), "--database", "none", "serve", "--model", str(SMOLLM2), "--name", "smol", "--port-file", port]
        process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True,
                                   env={**os.environ, **environment})
        try:
            address = process.stdout.readline().strip()
            yield OpenAI(base_url=address + "/v1", api_key=KEY, max_retries=0, timeout=300), process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


def adapters(folder):
    """The golden adapter and a louder copy of it."""
    quiet, loud = GOLDEN / "smollm2" / "adapter", os.path.join(folder, "loud")
    shutil.copytree(quiet, loud)
    path = os.path.join(loud, "adapter_config.json")
    with open(path) as file:
        config = json.load(file)
    config["lora_alpha"] *= 2
    os.chmod(path, 0o644)
    with open(path, "w") as file:
        json.dump(config, file)
    return ["--adapter", f"quiet={quiet}", "--adapter", f"loud={loud}"]


def fails(name, error, call, **expected):
    try:
        call()
    except error as caught:
        wrong = {k: getattr(caught, k) for k, v in expected.items() if getattr(caught, k) != v}
        check(name, not wrong, str(wrong) if wrong else "")
    except Exception as other:  # any other class is what this check is about
        check(name, False, repr(other))
    else:
        check(name, False, "no error")


def models(client):
    names = [model.id for model in client.models.list()]
    check("models: the base first, then its adapters", names == ["smol", "quiet", "loud"], names)
    check("models: one by its name", client.models.retrieve("loud").object == "model")
    fails("models: an unknown one is NotFoundError", openai.NotFoundError, lambda: client.models.retrieve("gone"),
          code="model_not_found", status_code=404)


def chat(client):
    golden = json.loads((GOLDEN / "smollm2" / "greedy.json").read_text())["runs"][0]
    whole = client.chat.completions.create(model="smol", temperature=0, max_completion_tokens=64,
                                           messages=[{"role": "user", "content": golden["user"]}])
    choice = whole.choices[0]
    check("chat: the peers' greedy answer", choice.message.content == golden["text"], repr(choice.message.content))
    check("chat: role, finish and usage", (choice.message.role, choice.finish_reason) == ("assistant", "stop" if golden["stopped_at_eos"] else "length")
          and whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
          and whole.usage.prompt_tokens == len(golden["prompt_ids"]))
    parts = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    check("chat: developer messages and text parts", bool(client.chat.completions.create(model="smol", messages=parts, max_tokens=4).choices))
    cut = client.chat.completions.create(**GREEDY).choices[0].message.content
    word = cut.split()[2]
    stopped = client.chat.completions.create(**GREEDY, stop=[word, "\u2603"]).choices[0]
    check("chat: stop", stopped.message.content == cut[:cut.index(word)] and stopped.finish_reason == "stop", repr(stopped.message.content))
    short = client.chat.completions.create(**{**GREEDY, "max_tokens": 3}).choices[0]
    check("chat: length", short.finish_reason == "length" and cut.startswith(short.message.content))
    many = client.chat.completions.create(model="smol", messages=USER, n=4, seed=11, max_tokens=12, temperature=1.2)
    check("chat: n answers that differ", [c.index for c in many.choices] == [0, 1, 2, 3] and len({c.message.content for c in many.choices}) > 1)
    again = client.chat.completions.create(model="smol", messages=USER, n=4, seed=11, max_tokens=12, temperature=1.2)
    check("chat: a seed repeats itself", [c.message.content for c in again.choices] == [c.message.content for c in many.choices])
    banned = whole.model_extra["afina"]["completion_ids"][0]
    free = client.chat.completions.create(model="smol", temperature=0, max_completion_tokens=8, logit_bias={str(banned): -100},
                                          messages=[{"role": "user", "content": golden["user"]}])
    check("chat: logit_bias bans a token", banned not in free.model_extra["afina"]["completion_ids"])
    plain = {"model": "smol", "messages": [{"role": "user", "content": "Repeat: no no no no no no no no"}], "temperature": 0, "max_tokens": 40}
    ids = client.chat.completions.create(**plain).model_extra["afina"]["completion_ids"]
    varied = client.chat.completions.create(**plain, frequency_penalty=2, presence_penalty=2).model_extra["afina"]["completion_ids"]
    check("chat: penalties make tokens repeat less", len(set(varied)) / len(varied) > len(set(ids)) / len(ids))
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    fails("chat: tools without a place in the template", openai.BadRequestError,
          lambda: client.chat.completions.create(**GREEDY, tools=tools), code="unsupported_parameter", param="tools")


def streams(client):
    whole = client.chat.completions.create(**GREEDY, logprobs=True, top_logprobs=2)
    chunks = list(client.chat.completions.create(**GREEDY, logprobs=True, top_logprobs=2, stream=True, stream_options={"include_usage": True}))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    check("stream: adds up to the whole answer", text == whole.choices[0].message.content)
    check("stream: role first, finish last", chunks[0].choices[0].delta.role == "assistant"
          and [c.choices[0].finish_reason for c in chunks if c.choices][-1] == whole.choices[0].finish_reason)
    check("stream: usage chunk", chunks[-1].choices == [] and chunks[-1].usage == whole.usage and all(c.usage is None for c in chunks[:-1]))
    tokens = [t for c in chunks if c.choices and c.choices[0].logprobs for t in c.choices[0].logprobs.content]
    check("stream: the same logprobs", [t.token for t in tokens] == [t.token for t in whole.choices[0].logprobs.content]
          and all(math.isclose(a.logprob, b.logprob, abs_tol=1e-4) for a, b in zip(tokens, whole.choices[0].logprobs.content)))
    with client.chat.completions.stream(**{**GREEDY, "messages": SHORT}) as stream:
        final = stream.get_final_completion().choices[0]
        check("stream: the client's own helper", final.finish_reason == "stop" and "Paris" in final.message.content, repr(final.message.content))


def logprobs(client):
    content = client.chat.completions.create(**GREEDY, logprobs=True, top_logprobs=5).choices[0].logprobs.content
    check("logprobs: five alternatives, best first", all(len(t.top_logprobs) == 5 and t.top_logprobs == sorted(t.top_logprobs, key=lambda x: -x.logprob) for t in content))
    check("logprobs: greedy takes the best", all(t.token == t.top_logprobs[0].token and t.logprob == t.top_logprobs[0].logprob for t in content))
    check("logprobs: probabilities and bytes", all(sum(math.exp(x.logprob) for x in t.top_logprobs) <= 1 + 1e-6 and bytes(t.bytes).decode(errors="replace") == t.token for t in content))


def completions(client):
    ask = {"model": "smol", "prompt": "The capital of France is", "temperature": 0, "max_tokens": 8}
    one = client.completions.create(**ask)
    check("completions: text and usage", one.object == "text_completion" and one.choices[0].text.startswith(" ") and one.usage.completion_tokens == 8, repr(one.choices[0].text))
    text = "".join(c.choices[0].text for c in client.completions.create(**ask, stream=True) if c.choices)
    check("completions: stream", text == one.choices[0].text)
    several = client.completions.create(**{**ask, "prompt": ["The capital of France is", "One, two, three,"]}, n=2, best_of=2)
    check("completions: prompts times n", [c.index for c in several.choices] == [0, 1, 2, 3] and several.choices[0].text == several.choices[1].text == one.choices[0].text
          and several.choices[2].text != one.choices[0].text)
    ids = one.model_extra["afina"]["prompt_ids"]
    check("completions: ids as prompt", client.completions.create(**{**ask, "prompt": ids}).choices[0].text == one.choices[0].text)
    echo = client.completions.create(**ask, echo=True, logprobs=3).choices[0]
    lists = echo.logprobs
    check("completions: echo", echo.text == ask["prompt"] + one.choices[0].text)
    check("completions: legacy logprobs", len(lists.tokens) == len(lists.token_logprobs) == len(lists.top_logprobs) == len(lists.text_offset) == len(ids) + 8
          and lists.token_logprobs[0] is None and lists.top_logprobs[0] is None and "".join(lists.tokens) == echo.text
          and all(echo.text[o:].startswith(t) for t, o in zip(lists.tokens, lists.text_offset)))
    scored = client.completions.create(model="smol", prompt=echo.text, echo=True, logprobs=0, max_tokens=0).choices[0].logprobs
    check("completions: a text is scored as it was generated", scored.tokens == lists.tokens
          and all(math.isclose(a, b, abs_tol=2e-3) for a, b in zip(scored.token_logprobs[1:], lists.token_logprobs[1:])))
    check("completions: stop", client.completions.create(**{**ask, "max_tokens": 30}, stop=".").choices[0].finish_reason == "stop")


def errors(client):
    create = client.chat.completions.create
    bad = openai.BadRequestError
    fails("errors: unknown model", openai.NotFoundError, lambda: create(model="gpt-4o", messages=USER), code="model_not_found", param="model", type="invalid_request_error")
    fails("errors: no messages", bad, lambda: create(model="smol", messages=[]), param="messages")
    fails("errors: temperature", bad, lambda: create(model="smol", messages=USER, temperature=3), param="temperature")
    fails("errors: JSON mode", bad, lambda: create(model="smol", messages=USER, response_format={"type": "json_object"}), code="unsupported_parameter")
    fails("errors: too long", bad, lambda: create(model="smol", messages=[{"role": "user", "content": "a " * 20000}]), code="context_length_exceeded")
    fails("errors: too long, as a stream", bad, lambda: create(model="smol", messages=[{"role": "user", "content": "a " * 20000}], stream=True), code="context_length_exceeded")
    fails("errors: suffix", bad, lambda: client.completions.create(model="smol", prompt="a", suffix="b"), param="suffix")
    fails("errors: a route that is none", openai.NotFoundError, lambda: client.embeddings.create(model="smol", input="a"), status_code=404, type="invalid_request_error")
    fails("errors: another key", openai.AuthenticationError, lambda: client.with_options(api_key="not-a-key-of-it").models.list(), code="invalid_api_key", status_code=401)


def leaving(client):
    stream = client.chat.completions.create(model="smol", messages=USER, stream=True, max_tokens=7000, logit_bias={"2": -100, "0": -100})
    for _ in zip(range(5), stream):
        pass
    health = client.with_options(api_key=KEY)
    decoding = lambda: health.get("/../health", cast_to=object)["decoding"]
    before = decoding()
    stream.close()
    until = time.monotonic() + 10
    while decoding() > 0 and time.monotonic() < until:
        time.sleep(0.05)
    check("leaving: a client that goes frees its slot", before == 1 and decoding() == 0, f"{before} then {decoding()}")
    check("leaving: the server still answers", bool(client.chat.completions.create(**GREEDY).choices[0].message.content))


def together(client):
    names = ["smol", "quiet", "loud"]
    ask = lambda name, i: client.chat.completions.create(model=name, messages=[{"role": "user", "content": f"Count to {i + 3}."}], temperature=0, max_tokens=24)
    jobs = [(names[1 + i % 2], i // 2) for i in range(8)]
    alone = [ask(*job) for job in jobs]
    with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
        at_once = list(pool.map(lambda job: ask(*job), jobs))
    check("together: eight requests to two adapters equal those asked alone",
          [a.choices[0].message.content for a in alone] == [b.choices[0].message.content for b in at_once])
    check("together: the model's name comes back", [b.model for b in at_once] == [name for name, _ in jobs])
    first = {name: client.chat.completions.create(**{**GREEDY, "model": name, "max_tokens": 1}, logprobs=True).choices[0].logprobs.content[0].logprob for name in names}
    check("together: every adapter has logits of its own", len(set(first.values())) == 3, first)


def main():
    with workspace() as folder, server(*adapters(folder), AFINA_API_KEY=KEY) as (client, process):
        for part in [models, chat, streams, logprobs, completions, errors, leaving, together]:
            try:
                part(client)
            except Exception as error:
                check(part.__name__, False, repr(error))
        check("the server is alive", process.poll() is None)
    check("it ends on Ctrl-C", process.returncode == 0, process.returncode)
    with server("--rate-limit", "0.01") as (client, _):
        client.models.list()
        fails("limits: too fast is RateLimitError", openai.RateLimitError, client.models.list, status_code=429, code="rate_limit_exceeded")
    finish()


if __name__ == "__main__":
    main()
