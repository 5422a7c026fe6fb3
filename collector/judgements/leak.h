// SPDX-License-Identifier: Apache-2.0
// Does an answer name its maker? A blind judgement of such an answer may not be blind. Names of vendors and models
// count as whole words, capitals and accents ignored. Names that are common words too ("meta", "llama", "gemini") count
// only where the model speaks of itself. A warning, not a verdict: the text stays as it is.
#pragma once
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "collector/config.h"

namespace afina::collector {

/// Immutable; shared between threads.
class LeakDetector {
 public:
  /// names: of the configured upstreams and their models. One with a digit or of several words counts wherever it
  /// stands; a single plain word ("base") only where the model speaks of itself; under three letters not at all.
  explicit LeakDetector(const std::vector<std::string>& names = {});
  bool reveals(std::string_view valid_utf8) const;

 private:
  friend class LeakWatch;
  std::map<std::string, std::vector<std::vector<std::string>>> phrases_;  ///< by last word: the words before it
  std::set<std::string, std::less<>> own_names_;                          ///< that need a self-introduction
};

/// One answer while it is written, a piece at a time; constant time a word. Pieces may end anywhere, within a letter
/// too. A word is judged once it has ended: when another sign follows, or by end(). One thread at a time; the detector
/// outlives it.
class LeakWatch {
 public:
  explicit LeakWatch(const LeakDetector& detector) : detector_(&detector) {}
  /// Whether the answer so far names its maker; stays true.
  bool append(std::string_view piece);
  bool end();

 private:
  void take(char32_t sign);
  void finish_word();
  void finish_sentence();
  bool names_maker() const;

  const LeakDetector* detector_;
  std::string bytes_;               ///< an unfinished sequence of UTF-8
  std::string word_;                ///< folded, unfinished
  bool stop_ = false;               ///< a '.' whose meaning the next sign tells: end of a sentence, or "4.1"
  std::deque<std::string> recent_;  ///< words of this sentence, the newest last
  bool article_case_ = false;       ///< the newest word needs its successor: "a Gemini" or "a Gemini model"
  bool found_ = false;
};

/// What a collector's answers must not say: names of its upstreams and their models.
std::vector<std::string> leak_names(const CollectorConfig& config);

/// Letters and digits of a text as the detector compares them: lower case, accents and invisible signs dropped, wide
/// forms narrowed; every other sign is one blank.
std::string fold_words(std::string_view valid_utf8);

}  // namespace afina::collector
