// SPDX-License-Identifier: Apache-2.0
// A collector with a browser before it: opening the page, giving consent, asking, joining by invitation, and what every
// view must hold: axe-core finds nothing, it is as wide as the window, it asked nobody else. Screenshots go to the
// folder of AFINA_SCREENSHOTS where it is set.
#pragma once
#include <string>

#include "storage/accounts/accounts.h"
#include "tests/collector/site/plug.h"
#include "tests/collector/world.h"
#include "tests/support/webdriver.h"

namespace afina::collector {

inline constexpr const char* kPassphrase = "una frase larga y tranquila";

class PageWorld : public World {
 protected:
  static WebDriver& browser();

  std::string address() const { return plug_ ? plug_->address() : collector_->address(); }
  /// From now on the browser comes to the started collector by a wire that can be pulled out.
  void wire() { plug_ = std::make_unique<Plug>(collector_->port()); }
  /// Two models, "uno" and "dos", behind one address.
  static CollectorConfig pair_of(const std::string& base_url);
  void choose_language(const std::string& locale);
  /// The same address once more, as F5 does it.
  void reload();
  /// Opens a view by the address after "#" and waits for it.
  void view(const std::string& hash, const std::string& name);
  /// Becomes a visitor with consent, in Spanish, with an empty conversation before them; keeps the receipt code.
  void enter();
  /// The same by the page's own form, as a person does it, with every step looked at.
  void enter_by_hand(const std::string& shots);
  /// Becomes a member by an invitation.
  void join(storage::Role role, const std::string& name);
  /// The same by the page's own form.
  void join_by_hand(storage::Role role, const std::string& name);
  /// An invitation into the workspace of that name; returns its token.
  std::string invite(storage::Role role, const std::string& workspace = "Cooperativa El Faro");
  /// Signs in with kPassphrase.
  void sign_in(const std::string& name);
  void ask(const std::string& text);
  /// A new visitor's question with its two answers, ready to be voted on.
  void pair();
  /// Chooses a point of the scale and sends it.
  void vote(const std::string& outcome);
  /// Waits until what this page had to send has arrived, or has to wait for the network.
  void sent();
  std::string text_of(const std::string& selector);
  /// A call of the page's own session: {status, json}.
  Json api(const std::string& method, const std::string& path, const Json& body = nullptr);
  /// Votes that count for training.
  int votes();

  /// Gives consent at an address of the page's own calls, with what else it wants. Returns the receipt code.
  std::string consent(const std::string& path, Json more);
  /// Requests whose method and path match the pattern, such as "POST .*submit$", wait for let_go(). With `after` the
  /// server gets them at once, and the page its answer late.
  void hold(const std::string& pattern, bool after = false);
  /// Waits until one of them waits.
  void held();
  /// Lets them go, and waits until the page has done what follows at once.
  void let_go();
  /// The next request of that pattern: the server gets it, and the page never hears of it.
  void lose_reply(const std::string& pattern);
  /// The next request of that pattern is answered so, and the server does not get it.
  void answer_with(const std::string& pattern, int status, const std::string& code);
  void shot(const std::string& name);
  /// axe-core and width; a screenshot under that name.
  void check_view(const std::string& name);
  /// Width and screenshot alone: the same view in another language, which axe-core has seen.
  void check_width(const std::string& name);
  /// No script error, no policy violation, no request to another host.
  void check_quiet();

  /// A project by the page's own form, one person for each item; returns the id.
  std::string make_project(const std::string& kind);
  void add_items(const std::string& project, int count, const std::vector<std::string>& answers);
  /// Opens the project and waits for its first task.
  void work(const std::string& project);
  /// What the task on the screen asks.
  std::string question() { return text_of(".prompt .body"); }

  std::string receipt_;
  std::unique_ptr<Plug> plug_;
};

}  // namespace afina::collector
