// SPDX-License-Identifier: Apache-2.0
// Accounts, sessions, tokens, invitations: what ends what.
#include "storage/accounts/accounts.h"

#include <gtest/gtest.h>

#include <future>

#include "base/hash.h"
#include "storage/accounts/invitations.h"
#include "storage/accounts/operator.h"
#include "storage/accounts/sessions.h"
#include "storage/accounts/tokens.h"
#include "storage/audit.h"
#include "tests/storage/fixtures.h"

namespace afina::storage {
namespace {

class AccountsTest : public ::testing::Test {
 protected:
  template <typename F>
  auto act(F&& fn) {
    return test.db().transaction(std::forward<F>(fn));
  }
  Account account(const std::string& name, Role role = Role::annotator) {
    return act([&](Transaction& t) {
      NewAccount wanted;
      wanted.name = name;
      const Account made = create_account(t, wanted);
      add_member(t, kPublicWorkspace, made.id, role);
      return made;
    });
  }
  NewSession session(const Account& of, Role role = Role::annotator) {
    NewSession wanted;
    wanted.token = new_session_token();
    wanted.csrf_token = new_session_token();
    wanted.account_id = of.id;
    wanted.workspace_id = kPublicWorkspace;
    wanted.role = role;
    act([&](Transaction& t) { create_session(t, wanted); });
    return wanted;
  }
  bool alive(const NewSession& s) {
    return act([&](Transaction& t) { return find_session(t, s.token).has_value(); });
  }
  void sql(const std::string& script) {
    act([&](Transaction& t) { t.script(script); });
  }
  NewToken token(const Account& of) {
    NewToken wanted;
    wanted.secret = random_hex(32);
    wanted.account_id = of.id;
    wanted.workspace_id = kPublicWorkspace;
    wanted.name = "guion";
    wanted.scopes = {"chat", "read"};
    act([&](Transaction& t) { create_token(t, wanted); });
    return wanted;
  }
  std::optional<TokenOwner> owner(const std::string& text) {
    return act([&](Transaction& t) { return find_token(t, text); });
  }
  TestDatabase test;
};

TEST_F(AccountsTest, ANameIsOnesOwnAmongAccountsAndAnnotators) {
  account("Rayén Ñanculef");
  NewAccount again;
  again.name = "Rayén Ñanculef";
  EXPECT_THROW(act([&](Transaction& t) { create_account(t, again); }), Conflict);
  act([](Transaction& t) { ensure_annotator(t, AnnotatorKind::demo, "guion"); });
  again.name = "guion";
  EXPECT_THROW(act([&](Transaction& t) { create_account(t, again); }), Conflict);
  again.name = "otra";
  const Account first = act([&](Transaction& t) { return create_account(t, again); });
  EXPECT_EQ(act([&](Transaction& t) { return create_account(t, again); }).id, first.id) << "the same act again";
  EXPECT_EQ(act([&](Transaction& t) { return find_account_by_annotator(t, first.annotator_id); })->name, "otra");
  EXPECT_FALSE(act([](Transaction& t) { return find_account_by_name(t, "nadie"); }));
}

TEST_F(AccountsTest, MembersAreListedInTheOrderInWhichTheyJoined) {
  std::vector<std::string> joined;
  for (const char* name : {"a", "b", "c"})
    joined.push_back(account(name).id);
  const auto page = [&](int64_t limit, const std::string& after) {
    std::vector<std::string> ids;
    for (const Member& m : act([&](Transaction& t) { return members(t, kPublicWorkspace, limit, after); }))
      ids.push_back(m.account.id);
    return ids;
  };
  EXPECT_EQ(page(10, ""), joined);
  EXPECT_EQ(page(1, joined[0]), std::vector<std::string>{joined[1]});
  EXPECT_TRUE(page(10, joined[2]).empty());
  EXPECT_TRUE(page(10, new_uuid()).empty());
}

TEST_F(AccountsTest, ASessionEndsByIdlingByAgeAndByEnding) {
  const Account ana = account("ana");
  const NewSession idle = session(ana), old = session(ana), ended = session(ana), kept = session(ana);
  EXPECT_TRUE(alive(kept));
  sql(cat("UPDATE account_session SET last_used_at = now() - interval '12 hours 1 second' WHERE id = '", idle.id, "'"));
  sql(cat("UPDATE account_session SET expires_at = now() - interval '1 second' WHERE id = '", old.id, "'"));
  act([&](Transaction& t) { end_account_session(t, ana.id, ended.id); });
  EXPECT_FALSE(alive(idle));
  EXPECT_FALSE(alive(old));
  EXPECT_FALSE(alive(ended));
  EXPECT_TRUE(alive(kept));
  EXPECT_THROW(act([&](Transaction& t) { end_account_session(t, ana.id, ended.id); }), NotFound);
  EXPECT_THROW(act([&](Transaction& t) { end_account_session(t, account("eva").id, kept.id); }), NotFound);
  EXPECT_EQ(act([&](Transaction& t) { return live_sessions(t, ana.id); }).size(), 1u);
}

TEST_F(AccountsTest, AnAdminsSessionIsShort) {
  const Account admin = account("jefa", Role::admin);
  const NewSession s = session(admin, Role::admin);
  sql("UPDATE account_session SET last_used_at = now() - interval '29 minutes'");
  EXPECT_TRUE(alive(s));
  sql("UPDATE account_session SET last_used_at = now() - interval '31 minutes'");
  EXPECT_FALSE(alive(s));
  const auto left = act([](Transaction& t) {
    return t.exec("SELECT extract(epoch FROM expires_at - created_at)::bigint AS n FROM account_session")
        .one()
        .integer("n");
  });
  EXPECT_EQ(left, 12 * 3600);
}

TEST_F(AccountsTest, ARoleAPasswordAndAClosedDoorEndSessions) {
  const Account ana = account("ana");
  NewSession s = session(ana);
  act([&](Transaction& t) { change_member(t, kPublicWorkspace, ana.id, {Role::annotator}, true); });
  EXPECT_TRUE(alive(s)) << "nothing changed";
  act([&](Transaction& t) { change_member(t, kPublicWorkspace, ana.id, {Role::reviewer}, true); });
  EXPECT_FALSE(alive(s));
  s = session(ana);
  const NewSession mine = session(ana);
  act([&](Transaction& t) { set_password_hash(t, ana.id, "x", mine.id); });
  EXPECT_FALSE(alive(s));
  EXPECT_TRUE(alive(mine));
  act([&](Transaction& t) { change_member(t, kPublicWorkspace, ana.id, {Role::reviewer}, false); });
  EXPECT_FALSE(alive(mine));
  EXPECT_FALSE(alive(session(ana))) << "a disabled member has no living session, whatever was stored";
  act([&](Transaction& t) { change_member(t, kPublicWorkspace, ana.id, {Role::reviewer}, true); });
  s = session(ana);
  EXPECT_TRUE(alive(s));
  act([&](Transaction& t) { set_account_active(t, "ana", false); });
  EXPECT_FALSE(alive(s));
  EXPECT_EQ(act([&](Transaction& t) { return password_hash_of(t, ana.id); }), "");
  EXPECT_THROW(act([](Transaction& t) { set_account_active(t, "nadie", false); }), NotFound);
}

TEST_F(AccountsTest, ATokenIsItsExactTextWithinItsLife) {
  const Account ana = account("ana", Role::engineer);
  const NewToken made = token(ana);
  const std::string text = token_text(made);
  ASSERT_TRUE(owner(text));
  EXPECT_EQ(owner(text)->scopes, (std::vector<std::string>{"chat", "read"}));
  EXPECT_EQ(owner(text)->member.role, Role::engineer);
  std::string wrong = text;
  wrong.back() = wrong.back() == '0' ? '1' : '0';
  for (const std::string& bad :
       {wrong, text + "0", text.substr(1), text.substr(0, text.size() - 1), std::string("afina_"),
        cat("afina_", new_uuid(), "_", made.secret), cat("afina_", made.id, "_", std::string(64, '\''))}) {
    EXPECT_FALSE(owner(bad)) << bad;
  }
  sql("UPDATE api_token SET expires_at = now()");
  EXPECT_FALSE(owner(text));
  sql("UPDATE api_token SET expires_at = now() + interval '1 day'");
  EXPECT_TRUE(owner(text));
  EXPECT_THROW(act([&](Transaction& t) { revoke_token(t, kPublicWorkspace, account("eva").id, made.id); }), NotFound);
  EXPECT_THROW(act([&](Transaction& t) { revoke_token(t, new_uuid(), "", made.id); }), NotFound);
  act([&](Transaction& t) { revoke_token(t, kPublicWorkspace, ana.id, made.id); });
  EXPECT_FALSE(owner(text));
}

TEST_F(AccountsTest, ATokenDiesWithItsAccountAndFollowsItsRole) {
  const Account ana = account("ana", Role::engineer);
  const std::string text = token_text(token(ana));
  act([&](Transaction& t) { change_member(t, kPublicWorkspace, ana.id, {Role::annotator}, true); });
  EXPECT_EQ(owner(text)->member.role, Role::annotator);
  act([&](Transaction& t) { change_member(t, kPublicWorkspace, ana.id, {Role::annotator}, false); });
  EXPECT_FALSE(owner(text));
  act([&](Transaction& t) { change_member(t, kPublicWorkspace, ana.id, {Role::annotator}, true); });
  act([&](Transaction& t) { set_account_active(t, "ana", false); });
  EXPECT_FALSE(owner(text));
}

TEST_F(AccountsTest, SecretsAreNowhereInTheDatabase) {
  const Account ana = account("ana");
  const NewSession s = session(ana);
  const NewToken k = token(ana);
  const std::string all = act([](Transaction& t) {
    return t
        .exec(
            "SELECT (SELECT string_agg(s::text, '') FROM account_session s) || "
            "(SELECT string_agg(k::text, '') FROM api_token k) AS words")
        .one()
        .text("words");
  });
  EXPECT_EQ(all.find(s.token), std::string::npos);
  EXPECT_EQ(all.find(k.secret), std::string::npos);
  EXPECT_NE(all.find(k.id), std::string::npos);
}

class InvitationsTest : public AccountsTest {
 protected:
  NewInvitation invite(int uses = 1) {
    NewInvitation wanted;
    wanted.token = new_session_token();
    wanted.workspace_id = kPublicWorkspace;
    wanted.role = Role::reviewer;
    wanted.max_uses = uses;
    act([&](Transaction& t) { create_invitation(t, wanted); });
    return wanted;
  }
  bool opens(const std::string& token) {
    try {
      act([&](Transaction& t) { use_invitation(t, token); });
      return true;
    } catch (const NotFound&) {
      return false;
    }
  }
};

TEST_F(InvitationsTest, OpensAsOftenAsItSays) {
  const NewInvitation once = invite(), twice = invite(2);
  EXPECT_TRUE(opens(once.token));
  EXPECT_FALSE(opens(once.token));
  EXPECT_TRUE(opens(twice.token));
  EXPECT_TRUE(opens(twice.token));
  EXPECT_FALSE(opens(twice.token));
  EXPECT_FALSE(opens(new_session_token()));
  EXPECT_FALSE(opens(""));
}

TEST_F(InvitationsTest, NotOnceMoreWhenManyTryAtOneTime) {
  const NewInvitation few = invite(3);
  std::vector<std::future<bool>> tries;
  for (int i = 0; i < 8; ++i)
    tries.push_back(std::async(std::launch::async, [&] { return opens(few.token); }));
  int opened = 0;
  for (auto& one : tries)
    opened += one.get() ? 1 : 0;
  EXPECT_EQ(opened, 3);
}

TEST_F(InvitationsTest, NotLateNorRevoked) {
  const NewInvitation late = invite(), revoked = invite();
  sql(cat("UPDATE invite SET expires_at = now() WHERE id = '", late.id, "'"));
  EXPECT_FALSE(opens(late.token));
  EXPECT_THROW(act([&](Transaction& t) { revoke_invitation(t, new_uuid(), revoked.id); }), NotFound);
  act([&](Transaction& t) { revoke_invitation(t, kPublicWorkspace, revoked.id); });
  EXPECT_FALSE(opens(revoked.token));
  const auto listed = act([](Transaction& t) { return invitations(t, kPublicWorkspace, 10, ""); });
  ASSERT_EQ(listed.size(), 2u);
  EXPECT_EQ(listed[0].id, revoked.id);
  EXPECT_TRUE(listed[0].revoked_at);
  EXPECT_EQ(listed[1].uses, 0);
}

class OperatorTest : public InvitationsTest {};

TEST_F(OperatorTest, TheFirstAdminIsInvitedByNameIntoAWorkspaceMadeForThem) {
  const AdminInvitation made = invite_admin(test.db(), "jefa", "Universidad");
  const auto open = act([&](Transaction& t) { return peek_invitation(t, made.token); });
  ASSERT_TRUE(open);
  EXPECT_EQ(open->role, Role::admin);
  EXPECT_EQ(open->name, "jefa");
  EXPECT_EQ(open->max_uses, 1);
  EXPECT_EQ(act([&](Transaction& t) { return get_workspace(t, made.workspace_id).name; }), "Universidad");
  EXPECT_EQ(invite_admin(test.db(), "otra", "Universidad").workspace_id, made.workspace_id);
  account("ana");
  EXPECT_THROW(invite_admin(test.db(), "ana", "Universidad"), Conflict);
  const auto trail = act([&](Transaction& t) { return audit_events(t, made.workspace_id, 0, 10); });
  ASSERT_EQ(trail.size(), 2u);
  EXPECT_EQ(trail[0].actor, "cli");
}

TEST_F(OperatorTest, AnAccountIsClosedEverywhereAtOnce) {
  const Account ana = account("ana");
  const NewSession s = session(ana);
  operator_sets_active(test.db(), "ana", false);
  EXPECT_FALSE(alive(s));
  ASSERT_EQ(all_members(test.db()).size(), 1u);
  EXPECT_FALSE(all_members(test.db())[0].active);
  operator_sets_active(test.db(), "ana", true);
  EXPECT_TRUE(alive(session(ana)));
  EXPECT_THROW(operator_sets_active(test.db(), "nadie", false), NotFound);
}

}  // namespace
}  // namespace afina::storage
