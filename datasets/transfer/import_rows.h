// SPDX-License-Identifier: Apache-2.0
// From records to rows with ids: the same words from the same source get the same ids, so that what comes twice is
// there once. Annotators' names are hashed here and go no further.
#pragma once
#include <optional>
#include <string>
#include <unordered_set>

#include "datasets/transfer/import_record.h"
#include "storage/transfer/imports.h"

namespace afina::datasets {

/// Collects rows of one import. Rankings become a preference for each pair of answers too (grade ±2, 0 where equal).
class ImportRows {
 public:
  /// scale: of the marks; nothing where the file gives them as 0..1.
  ImportRows(const storage::Import& import, std::string default_locale, std::optional<double> scale)
      : import_(import), locale_(std::move(default_locale)), scale_(scale) {}
  /// Record must have passed check_record.
  void add(const ImportRecord& record);
  size_t records() const { return records_; }
  size_t bytes() const { return bytes_; }
  /// What was added since the last call.
  storage::ImportBatch take();

 private:
  struct Person {
    std::string visitor_id, annotator_id;
  };
  std::string id_of(std::initializer_list<std::string_view> words) const;
  const Person& person(const std::string& annotator);
  void add_chat(const ImportRecord& record, const std::string& conversation);
  void add_answers(const ImportRecord& record, const std::string& conversation);
  void add_said(const ImportRecord& record, const std::string& conversation, size_t which);
  void add_score(const ImportJudgement& said, const std::string& generation, const Person& who);
  std::string add_exposure(const std::string& conversation, int turn, int a, int b, const Person& person,
                           std::optional<bool> a_on_left);
  void add_preference(const ImportJudgement& said, const std::string& exposure, const std::string& key);
  void add_ranking(const ImportRecord& record, const ImportJudgement& said, const std::string& conversation,
                   const Person& person);
  std::string generation_id(const std::string& conversation, int turn, int slot) const;

  const storage::Import& import_;
  std::string locale_;
  std::optional<double> scale_;
  storage::ImportBatch batch_;
  size_t records_ = 0, bytes_ = 0;
  std::unordered_map<std::string, Person> people_;     ///< of this batch
  std::unordered_set<std::string> pairs_, exposures_;  ///< of this batch
};

}  // namespace afina::datasets
