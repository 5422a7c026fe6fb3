// SPDX-License-Identifier: Apache-2.0
// One folder of tests/golden/tiny: its tensors, its batch, and the comparisons that its README states.
#pragma once
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "tests/model/batches.h"

namespace afina::model {

struct TinyGolden {
  explicit TinyGolden(const std::filesystem::path& path) : folder(path), file(path / "golden.safetensors") {}

  at::Tensor tensor(const std::string& name) const {
    const auto& view = file.at(name);
    at::Tensor out = at::empty(view.shape, at::kFloat);
    formats::copy_to_float(view, {out.data_ptr<float>(), static_cast<size_t>(out.numel())});
    return out;
  }
  std::vector<int> ints(const std::string& name) const {
    const auto& view = file.at(name);
    std::vector<int> out(static_cast<size_t>(view.elements()));
    std::memcpy(out.data(), view.bytes.data(), view.bytes.size());
    return out;
  }
  std::vector<int> ids() const { return ints("input_ids"); }
  static std::vector<int> all_rows(const std::vector<int>& ids) {
    std::vector<int> rows(ids.size());
    std::iota(rows.begin(), rows.end(), 0);
    return rows;
  }
  /// The trained tokens: labels shifted by one.
  datasets::PackedBatch batch() const {
    datasets::PackedBatch out;
    add_segment(out, ids());
    const auto labels = ints("labels");
    std::vector<int> rows, tokens;
    for (size_t i = 1; i < labels.size(); ++i)
      if (labels[i] >= 0) rows.push_back(static_cast<int>(i) - 1), tokens.push_back(labels[i]);
    add_targets(out, rows, tokens);
    return out;
  }
  Json json() const { return parse_json(read_file(folder / "golden.json"), "golden.json"); }

  std::filesystem::path folder;
  formats::SafetensorsFile file;
};

inline void expect_logits(const at::Tensor& got, const at::Tensor& want, double tolerance = 2e-4) {
  ASSERT_EQ(got.sizes(), want.sizes());
  const double limit = tolerance * std::max(1.0, want.abs().max().item<double>() / 10);
  EXPECT_LE((got - want).abs().max().item<double>(), limit);
}

}  // namespace afina::model
