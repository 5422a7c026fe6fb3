// SPDX-License-Identifier: Apache-2.0
#include "storage/types.h"

#include "base/words.h"
#include "storage/people.h"
#include "storage/snapshots.h"

namespace afina::storage {
namespace {

constexpr Words<Source, 4> kSources{
    {{Source::web, "web"}, {Source::api, "api"}, {Source::demo, "demo"}, {Source::import, "import"}}};
constexpr Words<Mode, 2> kModes{{{Mode::chat, "chat"}, {Mode::arena, "arena"}}};
constexpr Words<Outcome, 5> kOutcomes{{{Outcome::graded, "graded"},
                                       {Outcome::both_good, "both_good"},
                                       {Outcome::both_bad, "both_bad"},
                                       {Outcome::cannot_judge, "cannot_judge"},
                                       {Outcome::retracted, "retracted"}}};
constexpr Words<RunKind, 7> kRunKinds{{{RunKind::sft, "sft"},
                                       {RunKind::dpo, "dpo"},
                                       {RunKind::kto, "kto"},
                                       {RunKind::cpo, "cpo"},
                                       {RunKind::orpo, "orpo"},
                                       {RunKind::bco, "bco"},
                                       {RunKind::reward, "reward"}}};
constexpr Words<RunState, 5> kRunStates{{{RunState::queued, "queued"},
                                         {RunState::running, "running"},
                                         {RunState::finished, "finished"},
                                         {RunState::failed, "failed"},
                                         {RunState::cancelled, "cancelled"}}};
constexpr Words<AnnotatorKind, 4> kAnnotatorKinds{{{AnnotatorKind::anonymous, "anonymous"},
                                                   {AnnotatorKind::annotator, "annotator"},
                                                   {AnnotatorKind::demo, "demo"},
                                                   {AnnotatorKind::service, "service"}}};
constexpr Words<MemberKind, 3> kMemberKinds{
    {{MemberKind::pair, "pair"}, {MemberKind::answer, "answer"}, {MemberKind::negative, "negative"}}};

}  // namespace

std::string_view to_string(Source value) {
  return word_of(kSources, value);
}
std::string_view to_string(Mode value) {
  return word_of(kModes, value);
}
std::string_view to_string(Outcome value) {
  return word_of(kOutcomes, value);
}
std::string_view to_string(RunKind value) {
  return word_of(kRunKinds, value);
}
std::string_view to_string(RunState value) {
  return word_of(kRunStates, value);
}
std::string_view to_string(AnnotatorKind value) {
  return word_of(kAnnotatorKinds, value);
}
std::string_view to_string(MemberKind value) {
  return word_of(kMemberKinds, value);
}
bool from_string(std::string_view word, Source& out) {
  return value_of(kSources, word, out);
}
bool from_string(std::string_view word, Mode& out) {
  return value_of(kModes, word, out);
}
bool from_string(std::string_view word, Outcome& out) {
  return value_of(kOutcomes, word, out);
}
bool from_string(std::string_view word, RunKind& out) {
  return value_of(kRunKinds, word, out);
}
bool from_string(std::string_view word, RunState& out) {
  return value_of(kRunStates, word, out);
}
bool from_string(std::string_view word, AnnotatorKind& out) {
  return value_of(kAnnotatorKinds, word, out);
}
bool from_string(std::string_view word, MemberKind& out) {
  return value_of(kMemberKinds, word, out);
}

}  // namespace afina::storage
