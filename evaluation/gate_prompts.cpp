// SPDX-License-Identifier: Apache-2.0
#include "evaluation/gate_prompts.h"

#include "base/error.h"
#include "formats/jsonl.h"
#include "text/messages.h"

namespace afina::evaluation {
namespace {

constexpr size_t kMaxIds = 64;
constexpr size_t kMaxPrompts = 256;
constexpr const char* kStored[] = {
    "¿Qué papeles necesito para renovar la cédula de identidad?",
    "Explícame en dos frases qué es el aguinaldo.",
    "Qual é a diferença entre município e distrito?",
    "Escreva um convite curto para uma festa junina da escola.",
    "Name three rivers of South America and where they end.",
    "¿Cuánto es 17 por 23? Responde solo con el número.",
};

void cut(std::vector<int>& ids) {
  if (ids.size() > kMaxIds) ids.resize(kMaxIds);
}

std::vector<int> ids_of_line(const Json& line, const std::string& where, int64_t vocab_size) {
  std::vector<int> ids;
  if (!line["ids"].is_array()) throw DataError(cat("[", where, "] ids must be a list, but are not."));
  for (const Json& id : line["ids"]) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= vocab_size)
      throw DataError(cat("[", where, "] ids must lie in 0..", vocab_size - 1, ", but one is ", dump_json(id), "."));
    ids.push_back(id.get<int>());
  }
  return ids;
}

}  // namespace

std::vector<GatePrompt> stored_prompts(const text::TextStack* text, int64_t vocab_size) {
  std::vector<GatePrompt> out;
  if (text == nullptr) {
    for (int prompt = 0; prompt < 4; ++prompt) {
      GatePrompt made{"(ids)", {}};
      uint64_t state = static_cast<uint64_t>(prompt) + 1;
      for (size_t i = 0; i < 32; ++i) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        made.ids.push_back(static_cast<int>((state >> 33) % static_cast<uint64_t>(vocab_size)));
      }
      out.push_back(std::move(made));
    }
    return out;
  }
  for (const char* stored : kStored) {
    GatePrompt made{stored, {}};
    const auto ids = text->chat_template != nullptr ? text->encoder()
                                                          .encode(std::vector<text::Message>{{"user", stored}},
                                                                  {.add_generation_prompt = true, .with_mask = false})
                                                          .ids
                                                    : text->tokenizer->encode(stored, {.add_special = true});
    made.ids.assign(ids.begin(), ids.end());
    cut(made.ids);
    out.push_back(std::move(made));
  }
  return out;
}

std::vector<GatePrompt> prompts_of_file(const std::filesystem::path& file, const text::TextStack* text,
                                        int64_t vocab_size) {
  std::vector<GatePrompt> out;
  formats::JsonlReader reader(file);
  while (auto line = reader.next()) {
    const std::string where = reader.where();
    GatePrompt made;
    if (line->contains("ids")) {
      made = {"(ids)", ids_of_line(*line, where, vocab_size)};
    } else {
      if (text == nullptr) throw DataError(cat("[", where, "] must hold ids, since the model has no tokenizer."));
      const text::ChatInput chat = text::parse_chat(parse_ordered_json(dump_json(*line), where), where);
      made.text = chat.messages.back().content;
      const auto ids = text->encoder().encode(chat.messages, {.add_generation_prompt = true, .with_mask = false}).ids;
      made.ids.assign(ids.begin(), ids.end());
    }
    cut(made.ids);
    if (made.ids.empty()) throw DataError(cat("[", where, "] must hold at least one id, but holds none."));
    out.push_back(std::move(made));
    if (out.size() > kMaxPrompts)
      throw DataError(cat("[", file.string(), "] must hold at most ", kMaxPrompts, " lines."));
  }
  if (out.empty()) throw DataError(cat("[", file.string(), "] must hold at least one prompt, but holds none."));
  return out;
}

}  // namespace afina::evaluation
