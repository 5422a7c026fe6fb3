// SPDX-License-Identifier: Apache-2.0
// What a client hears of an upstream's failure, in OpenAI's words: the same whether it asked for the whole or a stream.
#pragma once
#include "collector/proxy/ask.h"

namespace afina::collector {

/// answer.error is not empty. Of the upstream's own words only codes and parameters of a closed list get through, since
/// whatever else it says may repeat what it was sent.
http::HttpError client_error(const UpstreamAnswer& answer);

}  // namespace afina::collector
