// SPDX-License-Identifier: Apache-2.0
// What route groups work with, and their list. Each group is a function in a folder of its own that adds its routes.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "collector/config.h"
#include "collector/consent_texts.h"
#include "collector/judgements/informative.h"
#include "collector/judgements/leak.h"
#include "collector/pairing.h"
#include "collector/route_table.h"
#include "collector/streams/answer_jobs.h"
#include "collector/upstream.h"
#include "storage/database.h"

namespace afina::collector {

/// Owned by the Collector; outlives every handler.
struct Services {
  const CollectorConfig& config;
  storage::Database& database;
  const RandomSource& random;
  const std::map<std::string, ConsentDocument>& consents;
  const std::vector<std::unique_ptr<Upstream>>& upstreams;
  AnswerJobs& jobs;
  InformativePairs& informative;
  const LeakDetector& leaks;
};

// Each in collector/<area>/. The table keeps a copy of what it needs; services stays valid.
void add_judgement_routes(RouteTable& routes, Services& services);  // routes_votes.cpp: votes and notes
void add_account_routes(RouteTable& routes, Services& services);    // accounts/
void add_task_routes(RouteTable& routes, Services& services);       // tasks/
void add_event_routes(RouteTable& routes, Services& services);      // events/: webhooks, profile, OpenAPI document
void add_transfer_routes(RouteTable& routes, Services& services);   // transfer/: imports and exports
void add_quality_routes(RouteTable& routes, Services& services);    // quality/: agreement, leaderboard, dashboards
void add_proxy_routes(RouteTable& routes, Services& services);      // proxy/: /v1

}  // namespace afina::collector
