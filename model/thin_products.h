// SPDX-License-Identifier: Apache-2.0
// The products of LoRA, in which one side is only r wide: at::mm reaches a tenth of the machine there. Over the packed
// kernels: the thin operand is packed once a call, the long one block by block. Matrices are fp32 on the CPU with a
// contiguous last dimension; rows may be strided. All compute threads; each result is summed in one order, so that
// neither the number of threads nor (but for the two outer products) the other rows change a bit. Nothing is allocated
// once the threads' scratch has its size.
#pragma once
#include <ATen/core/Tensor.h>

namespace afina::model {

/// Whether these beat at::mm here: CPU tensors of enough rows to pay for packing.
bool thin_products_pay(const at::Tensor& x_NI);

/// xa_NS = x_NI a_SI^T
void thin_project(const at::Tensor& x_NI, const at::Tensor& a_SI, at::Tensor& xa_NS);
/// y_NO += scale * xa_NR b_OR^T
void thin_expand(const at::Tensor& xa_NR, const at::Tensor& b_OR, double scale, at::Tensor& y_NO);
/// g_NR = scale * dy_NO b_OR
void thin_contract(const at::Tensor& dy_NO, const at::Tensor& b_OR, double scale, at::Tensor& g_NR);
/// dx_NI += g_NS a_SI
void thin_spread(const at::Tensor& g_NS, const at::Tensor& a_SI, at::Tensor& dx_NI);
/// da_SI += g_NS^T x_NI
void thin_gradient_a(const at::Tensor& g_NS, const at::Tensor& x_NI, at::Tensor& da_SI);
/// db_OR += scale * dy_NO^T xa_NR
void thin_gradient_b(const at::Tensor& dy_NO, const at::Tensor& xa_NR, double scale, at::Tensor& db_OR);

}  // namespace afina::model
