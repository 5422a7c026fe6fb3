// SPDX-License-Identifier: Apache-2.0
// Small dense symmetric matrices, as covariances of a few hundred models need them. Row-major.
#pragma once
#include <cstddef>
#include <optional>
#include <vector>

namespace afina::quality {

struct SquareMatrix {
  SquareMatrix() = default;
  explicit SquareMatrix(size_t n) : size(n), values(n * n) {}
  double& at(size_t row, size_t column) { return values[row * size + column]; }
  double at(size_t row, size_t column) const { return values[row * size + column]; }
  size_t size = 0;
  std::vector<double> values;
};

/// The inverse of a symmetric positive definite matrix by Cholesky, O(n³); nothing where it is not one.
std::optional<SquareMatrix> inverse(const SquareMatrix& matrix);
/// a·b, O(n³).
SquareMatrix product(const SquareMatrix& a, const SquareMatrix& b);
/// matrix · vector.
std::vector<double> product(const SquareMatrix& matrix, const std::vector<double>& vector);

}  // namespace afina::quality
