"""The real openai client through the collector's proxy: answers, streams, blind comparisons, feedback, errors."""
import openai
from openai import OpenAI

from collector import ANSWER, call, collector
from common import check, finish

USER = [{"role": "user", "content": "¿Cómo hago pan?"}]


def fails(name, error, run, **expected):
    try:
        run()
    except error as caught:
        wrong = {k: getattr(caught, k) for k, v in expected.items() if getattr(caught, k) != v}
        check(name, not wrong, str(wrong) if wrong else "")
    except Exception as other:  # any other class is what this check is about
        check(name, False, repr(other))
    else:
        check(name, False, "no error")


def main():
    with collector() as (address, _, token, _log):
        client = OpenAI(base_url=address + "/v1", api_key=token, max_retries=0, timeout=60)
        check("models", [m.id for m in client.models.list()] == ["uno", "dos", "arena"])
        whole = client.chat.completions.create(model="uno", messages=USER)
        check("whole", whole.choices[0].message.content.strip() == ANSWER and whole.usage.total_tokens == 14, repr(whole))
        check("a whole one says its conversation", bool(whole.model_extra["afina"]["conversation_id"]))
        chunks = list(client.chat.completions.create(model="uno", messages=USER, stream=True, stream_options={"include_usage": True}))
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        check("stream", text.strip() == ANSWER and chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 5)
        check("stream: one id", len({c.id for c in chunks}) == 1 and all(c.usage is None for c in chunks[:-1]))
        with client.chat.completions.stream(model="arena", messages=USER) as stream:
            final = stream.get_final_completion()
        check("arena: the client's own helper", final.choices[0].message.content.strip() == ANSWER and final.model == "arena")
        parts = [{"role": "developer", "content": "Sé breve."}, {"role": "user", "content": [{"type": "text", "text": "Hola"}]}]
        go_on = client.chat.completions.create(model="dos", messages=parts, metadata={"conversation_id": whole.model_extra["afina"]["conversation_id"]})
        check("metadata: other words begin another conversation",
              go_on.model_extra["afina"]["conversation_id"] != whole.model_extra["afina"]["conversation_id"])
        for completion, kind in [(whole.id, "answer_note"), (final.id, "preference")]:
            said = {"completion_id": completion, "thumbs": "up", "reason": "útil"}
            first, again = (client.post("/feedback", cast_to=object, body=said) for _ in range(2))
            check(f"feedback: {kind}", first["kind"] == kind and first["created"] and not again["created"] and again["id"] == first["id"], (first, again))
        fails("errors: unknown model", openai.NotFoundError, lambda: client.chat.completions.create(model="gpt-4o", messages=USER), code="model_not_found", param="model")
        fails("errors: no messages", openai.BadRequestError, lambda: client.chat.completions.create(model="uno", messages=[]), param="messages")
        fails("errors: another key", openai.AuthenticationError, lambda: client.with_options(api_key="not-a-key").models.list(), status_code=401)
        fails("errors: somebody else's completion", openai.NotFoundError,
              lambda: client.post("/feedback", cast_to=object, body={"completion_id": "chatcmpl-018f0000-0000-7000-8000-000000000000", "thumbs": "up"}))
        status, mine, _ = call(address, "GET", "/api/conversations", token=token)
        check("everything is on record as conversations", status == 200 and len(mine["conversations"]) == 4, mine)
    finish()


if __name__ == "__main__":
    main()
