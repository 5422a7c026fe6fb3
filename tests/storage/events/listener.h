// SPDX-License-Identifier: Apache-2.0
// A webhook for tests that look at events: one that nobody asked for is not kept.
#pragma once
#include "storage/events/webhooks.h"
#include "storage/transaction.h"

namespace afina::storage {

/// Asks for these types of the workspace's events; returns the webhook's id. Nothing is sent where no dispatcher runs.
inline std::string listen(Transaction& t, std::vector<std::string> types = {"*"},
                          const std::string& workspace = kPublicWorkspace) {
  Webhook webhook;
  webhook.workspace_id = workspace;
  webhook.url = "https://example.org/hook";
  webhook.types = std::move(types);
  webhook.secret = new_webhook_secret();
  create_webhook(t, webhook);
  return webhook.id;
}

}  // namespace afina::storage
