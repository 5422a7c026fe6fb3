// SPDX-License-Identifier: Apache-2.0
#include "quality/symmetric.h"

#include <cmath>

namespace afina::quality {
namespace {

// Lower triangle of the Cholesky factor; false where a pivot is not positive.
bool factor(SquareMatrix& m) {
  for (size_t j = 0; j < m.size; ++j) {
    const double diagonal = m.at(j, j);
    double pivot = diagonal;
    for (size_t k = 0; k < j; ++k)
      pivot -= m.at(j, k) * m.at(j, k);
    if (!(pivot > 1e-12 * diagonal) || !std::isfinite(pivot)) return false;  // what rounding leaves of 0
    m.at(j, j) = std::sqrt(pivot);
    for (size_t i = j + 1; i < m.size; ++i) {
      double sum = m.at(i, j);
      for (size_t k = 0; k < j; ++k)
        sum -= m.at(i, k) * m.at(j, k);
      m.at(i, j) = sum / m.at(j, j);
    }
  }
  return true;
}

}  // namespace

std::optional<SquareMatrix> inverse(const SquareMatrix& matrix) {
  SquareMatrix l = matrix;
  if (!factor(l)) return std::nullopt;
  const size_t n = matrix.size;
  SquareMatrix out(n);
  std::vector<double> x(n);
  for (size_t c = 0; c < n; ++c) {
    for (size_t i = 0; i < n; ++i) {
      double sum = i == c ? 1 : 0;
      for (size_t k = 0; k < i; ++k)
        sum -= l.at(i, k) * x[k];
      x[i] = sum / l.at(i, i);
    }
    for (size_t i = n; i-- > 0;) {
      double sum = x[i];
      for (size_t k = i + 1; k < n; ++k)
        sum -= l.at(k, i) * x[k];
      x[i] = sum / l.at(i, i);
    }
    for (size_t i = 0; i < n; ++i)
      out.at(i, c) = x[i];
  }
  return out;
}

SquareMatrix product(const SquareMatrix& a, const SquareMatrix& b) {
  SquareMatrix out(a.size);
  for (size_t i = 0; i < a.size; ++i) {
    for (size_t k = 0; k < a.size; ++k) {
      const double factor_ik = a.at(i, k);
      for (size_t j = 0; j < a.size; ++j)
        out.at(i, j) += factor_ik * b.at(k, j);
    }
  }
  return out;
}

std::vector<double> product(const SquareMatrix& matrix, const std::vector<double>& vector) {
  std::vector<double> out(matrix.size);
  for (size_t i = 0; i < matrix.size; ++i) {
    for (size_t j = 0; j < matrix.size; ++j)
      out[i] += matrix.at(i, j) * vector[j];
  }
  return out;
}

}  // namespace afina::quality
