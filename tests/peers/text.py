"""Ids and texts of random Unicode equal tokenizers', on the real small vocabulary and on the made ones."""
import pathlib
import random
import sys

from tokenizers import Tokenizer

from common import GOLDEN, SMOLLM2, check, finish, run, workspace

ALPHABETS = ["abcxyz ABC", "áéíóúñçãõŋẽg̃", "0123456789½²٣", " \t\n\r\u00a0\u3000", ".,;:!?'\"-—¿¡", "中文字ไทยहिंदी", "👩‍👩‍👧🇨🇱❤️", "\u0301\u200d\ufeff\u180e", "<|im_start|>", "'s't're"]


def texts(count, seed):
    rng = random.Random(seed)
    for _ in range(count):
        yield "".join(rng.choice(rng.choice(ALPHABETS)) for _ in range(rng.randint(1, 60)))


def compare(name, model, file):
    theirs = Tokenizer.from_file(str(file))
    theirs.encode_special_tokens = True
    lines = list(texts(3000, name))
    ours = [line["ids"] for line in run("tokenize", "--model", model, lines=[{"text": t} for t in lines])]
    wanted = [theirs.encode(t, add_special_tokens=False).ids for t in lines]
    bad = [i for i in range(len(lines)) if ours[i] != wanted[i]]
    check(f"{name}: ids of {len(lines)} random texts", not bad, repr(lines[bad[0]]) if bad else "")
    back = [line["text"] for line in run("detokenize", "--model", model, lines=[{"ids": i} for i in wanted])]
    bad = [i for i in range(len(lines)) if back[i] != theirs.decode(wanted[i], skip_special_tokens=False)]
    check(f"{name}: texts of their ids", not bad, repr(lines[bad[0]]) if bad else "")


with workspace() as name:
    folder = pathlib.Path(name)
    run("quantize", "--model", SMOLLM2, "--type", "f16", "--out", folder / "hf")
    compare("SmolLM2 (GGUF)", SMOLLM2, folder / "hf" / "tokenizer.json")
    compare("SmolLM2 (our tokenizer.json)", folder / "hf", folder / "hf" / "tokenizer.json")
    for made in ["byte_level", "byte_fallback"]:
        file = GOLDEN / "text" / f"tokenizer_{made}.json"
        compare(made, file, file)
finish()
