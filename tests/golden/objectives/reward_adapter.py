# SPDX-License-Identifier: Apache-2.0
"""Writes reward_adapter/: a PEFT adapter of a reward model, of a small random Llama with one label.

Run by hand: `.deps/peers/bin/python tests/golden/objectives/reward_adapter.py`. With a folder as argument it reads that
adapter instead, as PEFT reads any, and prints the score of a fixed input: the other direction of the check.
"""
import sys
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import LlamaConfig, LlamaForSequenceClassification

torch.manual_seed(0)
config = LlamaConfig(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
                     num_key_value_heads=1, head_dim=8, vocab_size=32, num_labels=1, pad_token_id=0)
model = LlamaForSequenceClassification(config)
if len(sys.argv) > 1:
    model = PeftModel.from_pretrained(model, sys.argv[1])
else:
    model = get_peft_model(model, LoraConfig(task_type="SEQ_CLS", r=2, lora_alpha=4, target_modules="all-linear",
                                             modules_to_save=["score"], init_lora_weights=False))
    model.save_pretrained(Path(__file__).parent / "reward_adapter")
model.eval()
print(float(model(input_ids=torch.tensor([[1, 5, 9, 3]])).logits[0, 0]))
