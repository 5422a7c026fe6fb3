// SPDX-License-Identifier: Apache-2.0
// A webhook for tests that look at events: one that nobody asked for is not kept.
#pragma once
#include "storage/events/webhooks.h"
#include "storage/transaction.h"

namespace afina::storage {

/// Asks for these types of the workspace's events; returns the webhook's id. Its address is one that nothing is sent
/// to.
inline std::string listen(Transaction& t, std::vector<std::string> types = {"*"},
                          const std::string& workspace = kPublicWorkspace) {
  Webhook webhook;
  webhook.workspace_id = workspace;
  webhook.url = "http://127.0.0.1:9/hook";
  webhook.types = std::move(types);
  webhook.secret = new_webhook_secret();
  create_webhook(t, webhook);
  return webhook.id;
}

}  // namespace afina::storage
