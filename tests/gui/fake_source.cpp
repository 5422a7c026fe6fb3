// SPDX-License-Identifier: Apache-2.0
#include "tests/gui/fake_source.h"

#include <array>
#include <cmath>

#include "base/error.h"

namespace afina::gui {

namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

struct Topic {
  const char* id;
  const char* language;
  const char* prompt;
};

constexpr std::array<Topic, 12> kTopics = {{
    {"0193a001-0000-7000-8000-00000a3f10c1", "es", "¿Dónde puedo pagar la cuenta de la luz en Valparaíso un sábado?"},
    {"0193a001-0000-7000-8000-00000b27e4d2", "pt", "Como tiro a segunda via do CPF sem sair de casa?"},
    {"0193a001-0000-7000-8000-00000c9155a3", "gn", "Mba’éichapa ajapóta chipa g̃uarã? Aikotevẽ peteĩ receta"},
    {"0193a001-0000-7000-8000-00000d8e02b4", "es", "Explícame con ejemplos la diferencia entre ISAPRE y FONASA"},
    {"0193a001-0000-7000-8000-00000e64f7c5", "en", "Which bus goes from the Medellín terminal to Guatapé?"},
    {"0193a001-0000-7000-8000-00000f30a9d6", "es",
     "Escribe un saludo en mapudungun: ¿mari mari lamngen, chem ta eymi?"},
    {"0193a001-0000-7000-8000-0000107bd8e7", "pt", "Faça um resumo simples da Lei Maria da Penha para adolescentes"},
    {"0193a001-0000-7000-8000-000011c4e1f8", "rap", "He aha te ꞌīŋoa o te hora nei i te re‘o rapa nui?"},
    {"0193a001-0000-7000-8000-000012a9c209", "es", "Mi arrendador no devuelve la garantía, ¿qué hago?"},
    {"0193a001-0000-7000-8000-000013f6331a", "es", "Dame una receta de sopaipillas 🎃🥣 para seis personas"},
    {"0193a001-0000-7000-8000-00001467442b", "pt", "Qual é o prazo para trocar um produto comprado na internet?"},
    {"0193a001-0000-7000-8000-000015d8553c", "es", "¿Qué documentos pide el Registro Civil para casarse?"},
}};

constexpr const char* kRunIds[] = {"0193a7c2-0000-7000-8000-0000d90f41aa", "0193a6b1-0000-7000-8000-0000c81e30bb",
                                   "0193a5a0-0000-7000-8000-0000b72d2fcc", "0193a48f-0000-7000-8000-0000a63c1edd"};

// A fixed scatter without a random generator: the fraction of a large multiple of the golden ratio.
double scatter(int i) {
  const double x = 0.6180339887498949 * (i * 37 + 11);
  return x - std::floor(x) - 0.5;
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

Time fixed_now() {
  return Time{} + seconds(1795264800);
}

void FakeSource::fail_if_away() const {
  if (!away_) return;
  throw StorageError("[storage.connect] must reach PostgreSQL at /run/afina/5432, but got: connection refused.",
                     "start it with `afina db start`, or pass --database");
}

LoopData fake_loop() {
  LoopData loop;
  loop.conversations = {240, 1386, {{"es", 142}, {"pt", 66}, {"en", 24}, {"gn", 8}}, fixed_now() - minutes(3)};
  loop.votes = {1128, 376, 14, 212, fixed_now() - minutes(3)};
  loop.snapshots = {3,   "0193a6a0-0000-7000-8000-0000513f9a01",       "nov-20",
                    311, "9f3ac81e77d05b62a4418e0d2c6f7ab1905e3d28c4", fixed_now() - hours(19)};
  loop.runs = {4,
               1,
               2,
               1,
               kRunIds[0],
               "dpo-nov-20-r16",
               "running",
               "dpo",
               "0193a6a0-0000-7000-8000-0000513f9a01",
               "",
               312,
               600,
               fixed_now() - minutes(41)};
  loop.adapters = {2, "0193a6f0-0000-7000-8000-0000e11f52ab", "dpo-nov-12", "runs/dpo-nov-12/adapter",
                   fixed_now() - hours(70)};
  loop.arena = {184, 101, 22, 61, "dpo-nov-12", "0193a6f0-0000-7000-8000-0000e11f52ab", fixed_now() - minutes(26)};
  loop.base_model = "SmolLM2-135M-Instruct.Q4_1.gguf";
  return loop;
}

LoopData FakeSource::loop() {
  fail_if_away();
  return fake_loop();
}

ConversationPage FakeSource::conversations(const ConversationQuery& query) {
  fail_if_away();
  ConversationPage page;
  page.query = query;
  for (size_t i = 0; i < kTopics.size(); ++i) {
    const Topic& topic = kTopics[i];
    if (!query.text.empty() && !holds(topic.prompt, query.text)) continue;
    page.rows.push_back({topic.id, topic.prompt, topic.language, i % 3 == 2 ? "api" : "web",
                         fixed_now() - minutes(9 + 17 * static_cast<int>(i)), 4 + static_cast<int64_t>(i % 3) * 2,
                         static_cast<int64_t>((i * 5 + 3) % 7)});
  }
  page.total = query.text.empty() ? 240 : static_cast<int64_t>(page.rows.size());
  return page;
}

ConversationDetail FakeSource::conversation(const std::string& id) {
  fail_if_away();
  for (const Topic& topic : kTopics) {
    if (id != topic.id) continue;
    ConversationDetail detail{id, topic.language, "web", fixed_now() - minutes(9), {}};
    const Time start = detail.created_at;
    detail.turns.push_back({"user", topic.prompt, "", start, {}, {}});
    Turn pair;
    pair.at = start + seconds(6);
    pair.pair = {
        {"g1", "SmolLM2-135M-Instruct", "",
         "Puedes pagar en cualquier sucursal. Los sábados atienden hasta las 14:00.\n\n"
         "También puedes pagar en línea con tu número de cliente, o en una caja vecina de tu barrio.",
         "", 41},
        {"g2", "SmolLM2-135M-Instruct", "dpo-nov-12",
         "Sí. Un sábado tienes tres opciones cerca del plan de Valparaíso:\n\n"
         "1. Cajas vecinas en almacenes: abren hasta las 20:00.\n2. El sitio de la distribuidora, con tu número de "
         "cliente.\n"
         "3. La sucursal de Av. Brasil, de 9:00 a 14:00.\n\nLleva la boleta anterior: tiene el número de cliente "
         "🧉.",
         "", 78},
    };
    pair.votes = {
        {"annotator 7c21", Outcome::graded, -2, "B da horarios y lugares concretos.", "web", start + minutes(2), false},
        {"annotator 19ae", Outcome::graded, -3, "", "web", start + minutes(4), false},
        {"annotator 52b0", Outcome::graded, 1, "Prefiero la respuesta corta.", "web", start + minutes(5), true},
        {"annotator 52b0", Outcome::both_good, 0, "", "web", start + minutes(6), false},
    };
    detail.turns.push_back(pair);
    detail.turns.push_back(
        {"user", "¿Y si no tengo la boleta? Kuri ŋa g̃uarã ñandéve \U0001F9C9", "", start + minutes(7), {}, {}});
    detail.turns.push_back(
        {"assistant",
         "Sin boleta basta tu RUT: en la caja vecina o en el sitio te muestran la deuda y el número de cliente.",
         "SmolLM2-135M-Instruct + dpo-nov-12",
         start + minutes(7) + seconds(4),
         {},
         {}});
    return detail;
  }
  throw NotFound(cat("[conversations] must have id ", id, ", but it does not."));
}

std::vector<RunRow> fake_runs() {
  const std::string model = "SmolLM2-135M-Instruct.Q4_1.gguf";
  return {
      {kRunIds[0], "dpo-nov-20-r16", "dpo", "running", model, 312, 600, 0.4127, 1.0834, 0.8125, 1843.0,
       fixed_now() - minutes(41), std::nullopt, ""},
      {kRunIds[1], "sft-nov-20-r16", "sft", "finished", model, 400, 400, 1.6021, std::nullopt, 0.6432, 2210.0,
       fixed_now() - hours(3), fixed_now() - hours(2), ""},
      {kRunIds[2], "dpo-nov-12", "dpo", "finished", model, 450, 450, 0.4790, 0.7712, 0.7714, 1790.0,
       fixed_now() - hours(70), fixed_now() - hours(69), ""},
      {kRunIds[3], "dpo-nov-12-lr5e-4", "dpo", "failed", model, 37, 450, std::nullopt, -2.1180, 0.4375, 1802.0,
       fixed_now() - hours(71), fixed_now() - hours(71),
       "[finetune.health] loss must be finite, but got nan at step 37. Hint: lower learning_rate."},
  };
}

std::vector<RunRow> FakeSource::runs() {
  fail_if_away();
  return fake_runs();
}

RunDetail fake_run(const std::string& id) {
  for (const RunRow& row : fake_runs()) {
    if (row.id != id) continue;
    RunDetail run;
    run.row = row;
    run.config = {{"learning_rate", "5e-05"},
                  {"lr_scheduler_type", "cosine"},
                  {"warmup_steps", "40"},
                  {"max_steps", "600"},
                  {"per_device_train_batch_size", "4"},
                  {"gradient_accumulation_steps", "4"},
                  {"max_grad_norm", "1.0"},
                  {"r", "16"},
                  {"lora_alpha", "32"},
                  {"lora_dropout", "0.0"},
                  {"target_modules", "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"},
                  {"max_length", "1024"},
                  {"beta", "0.1"},
                  {"reference", "start"},
                  {"label_mode", "soft"},
                  {"seed", "42"},
                  {"dtype", "float32"}};
    run.lineage = {{"model", row.model, row.model},
                   {"snapshot", "0193a6a0-0000-7000-8000-0000513f9a01", "nov-20 · 311 rows"},
                   {"start_adapter", "0193a6b9-0000-7000-8000-00009ad013ef", "sft-nov-20-r16"},
                   {"run", row.id, row.name}};
    if (row.state == "finished") run.lineage.push_back({"adapter", "0193a6f0-0000-7000-8000-0000e11f52ab", row.name});
    const bool pairs = row.method == "dpo";
    const auto add = [&](const std::string& name, int step, double value) {
      run.series[name].steps.push_back(step);
      run.series[name].values.push_back(value);
    };
    for (int step = 1; step <= row.step; ++step) {
      const double t = step, gain = 1 - std::exp(-t / 140), noise = scatter(step);
      add("loss", step, pairs ? 0.6931 - 0.30 * gain + 0.10 * noise : 2.4 - 0.8 * gain + 0.25 * noise);
      add("learning_rate", step, 5e-5 * (t < 40 ? t / 40 : 0.5 * (1 + std::cos(3.14159265 * (t - 40) / 560))));
      add("grad_norm", step, 0.9 + 1.6 * std::exp(-t / 60) + 0.5 * noise);
      add("tokens_per_second", step, 1840 + 90 * noise - (step % 97 == 0 ? 420 : 0));
      if (pairs) add("rewards/margins", step, 1.2 * gain + 0.35 * noise);
      add(pairs ? "rewards/accuracies" : "mean_token_accuracy", step, 0.5 + 0.32 * gain + 0.12 * noise);
      if (step % 50 != 0) continue;
      add("eval_loss", step, (pairs ? 0.6931 - 0.26 * gain : 2.42 - 0.74 * gain));
      if (pairs) add("eval_rewards/margins", step, 1.02 * gain);
      add(pairs ? "eval_rewards/accuracies" : "eval_mean_token_accuracy", step, 0.5 + 0.28 * gain);
    }
    return run;
  }
  throw NotFound(cat("[runs] must have id ", id, ", but it does not."));
}

RunDetail FakeSource::run(const std::string& id, const RunDetail* /*previous*/) {
  fail_if_away();
  return fake_run(id);
}

ConversationDetail EmptySource::conversation(const std::string& id) {
  throw NotFound(cat("[conversations] must have id ", id, ", but it does not."));
}
RunDetail EmptySource::run(const std::string& id, const RunDetail* /*previous*/) {
  throw NotFound(cat("[runs] must have id ", id, ", but it does not."));
}

}  // namespace afina::gui
