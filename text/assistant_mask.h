// SPDX-License-Identifier: Apache-2.0
// Which tokens of a rendered chat are trained in assistant-only loss. Three ways, in this order:
// {% generation %} blocks; prefix rendering; and, where prefixes do not agree, the place where changing one content
// changes the render.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "text/chat_template.h"

namespace afina::text {

/// 1 for every token that overlaps an assistant's answer and for its end-of-turn token. spans tile render.text. Throws
/// DataError naming the message where its answer cannot be found in the render.
std::vector<uint8_t> assistant_mask(const Tokenizer& tokenizer, const ChatTemplate& chat_template,
                                    std::span<const Message> messages, const RenderOptions& options,
                                    const RenderedChat& render, std::span<const TokenSpan> spans);

/// The control tokens among spans that the template wrote, in order.
std::vector<TokenSpan> template_controls(const Tokenizer& tokenizer, const RenderedChat& render,
                                         std::span<const TokenSpan> spans);

}  // namespace afina::text
