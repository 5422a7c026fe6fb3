// SPDX-License-Identifier: Apache-2.0
// Joining, signing in and out, sessions, tokens: what each begins and ends.
#include "storage/audit.h"
#include "tests/collector/accounts/members_world.h"

namespace afina::collector {
namespace {

class SignInTest : public MembersWorld {
 protected:
  Reply login(const std::string& name, const std::string& passphrase, const http::Headers& with = {}) const {
    return somebody().call("POST", "/api/login", {{"name", name}, {"password", passphrase}}, "", with);
  }
  /// A member who joined as people do.
  Credentials joined(const std::string& name, const std::string& role = "annotator") {
    const Reply reply = join(invite(member(storage::Role::admin), {{"role", role}}), name);
    EXPECT_EQ(reply.status, 201) << reply.json;
    return signed_in(reply);
  }
  /// Until the trail, which is written after the reply, tells of a failed sign-in.
  void wait_for_failure(const Credentials& admin) {
    const auto told = [&] { return get(admin, "/api/audit").json["events"].dump().find("login.failed"); };
    const auto late = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (told() == std::string::npos && std::chrono::steady_clock::now() < late)
      std::this_thread::yield();
    EXPECT_NE(told(), std::string::npos) << "it is written all the same";
  }
  int64_t count(const std::string& table) {
    return as_owner(
        [&](storage::Transaction& t) { return t.exec(cat("SELECT count(*) AS n FROM ", table)).one().integer("n"); });
  }
};

TEST_F(SignInTest, JoiningGivesAccountConsentReceiptAndSession) {
  start_as_web();
  const Reply reply = join(invite(member(storage::Role::admin), {{"role", "reviewer"}}), "Rayén");
  ASSERT_EQ(reply.status, 201) << reply.json;
  EXPECT_EQ(reply.json["who"], "reviewer");
  EXPECT_EQ(reply.json["account"]["name"], "Rayén");
  EXPECT_EQ(reply.json["consent"], true);
  EXPECT_EQ(reply.json["receipt_code"].get<std::string>().substr(0, 6), "AFINA-");
  const Credentials rayen = signed_in(reply);
  const Json me = get(rayen, "/api/me").json;
  EXPECT_EQ(me["role"], "reviewer");
  EXPECT_EQ(me["workspace"]["name"], "public");
  EXPECT_EQ(me["csrf"], rayen.csrf);
  EXPECT_EQ(me["purposes"], (Json{"collect", "train"}));
  EXPECT_EQ(post(rayen, "/api/conversations").status, 201);
  const Json nobody = somebody().get("/api/me").json;
  EXPECT_EQ(nobody["who"], "anyone");
  EXPECT_TRUE(nobody["account"].is_null());
  EXPECT_TRUE(nobody["csrf"].is_null());
}

TEST_F(SignInTest, TheCookieIsOutOfReachOfScriptsAndOtherSites) {
  start_as_web();
  const Reply reply = join(invite(member(storage::Role::admin)), "ana");
  const std::string cookie = reply.headers.get("Set-Cookie");
  for (const char* part : {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"})
    EXPECT_NE(cookie.find(part), std::string::npos) << cookie;
  EXPECT_EQ(cookie.find("Secure"), std::string::npos) << "plain HTTP on loopback";
  EXPECT_EQ(reply.json.dump().find(cookie.substr(14, 64)), std::string::npos);
}

TEST_F(SignInTest, BehindTlsTheCookieIsBoundToTheHost) {
  CollectorConfig config;
  config.public_hosts = {"afina.example"};
  start_as_web(config);
  const Credentials admin = member(storage::Role::admin);
  Credentials host = admin;
  const std::string cookie = admin.headers.get("Cookie");
  host.headers.set("Cookie", "__Host-" + cookie);
  EXPECT_EQ(get(admin, "/api/me").json["who"], "anyone") << "the plain name is not looked at";
  EXPECT_EQ(get(host, "/api/me").json["who"], "admin");
  const Reply out = post(host, "/api/logout");
  EXPECT_NE(out.headers.get("Set-Cookie").find("__Host-afina-account=;"), std::string::npos);
  EXPECT_NE(out.headers.get("Set-Cookie").find("; Secure"), std::string::npos);
}

TEST_F(SignInTest, AnInvitationOpensOnce) {
  start_as_web();
  const Credentials admin = member(storage::Role::admin);
  const std::string token = invite(admin);
  EXPECT_EQ(join(token, "ana").status, 201);
  const int64_t accounts = count("account");
  EXPECT_EQ(join(token, "eva").code(), "invitation_invalid") << "replayed";
  EXPECT_EQ(join(std::string(64, '0'), "eva").code(), "invitation_invalid");
  const Reply second = post(admin, "/api/invitations", {{"role", "auditor"}, {"note", "para Eva"}, {"hours", 1}});
  EXPECT_EQ(second.json["link"], "/join#" + second.json["token"].get<std::string>());
  EXPECT_EQ(post(admin, cat("/api/invitations/", second.json["id"].get<std::string>(), "/revoke")).status, 200);
  EXPECT_EQ(join(second.json["token"], "eva").code(), "invitation_invalid") << "revoked";
  EXPECT_EQ(count("account"), accounts);
  const Json listed = get(admin, "/api/invitations").json["invitations"];
  ASSERT_EQ(listed.size(), 2u);
  EXPECT_EQ(listed[0]["note"], "para Eva");
  EXPECT_EQ(listed.dump().find(token), std::string::npos) << "the token is shown once";
}

TEST_F(SignInTest, ARefusedJoinUsesNothingUpAndLeavesNothing) {
  start_as_web();
  const std::string token = invite(member(storage::Role::admin));
  ASSERT_EQ(join(invite(member(storage::Role::admin)), "ana").status, 201);
  const int64_t accounts = count("account"), visitors = count("visitor"), annotators = count("annotator");
  EXPECT_EQ(join(token, "ana").code(), "name_taken");
  EXPECT_EQ(join(token, "eva", "corta").status, 400);
  EXPECT_EQ(join(token, "eva", std::string(129, 'x') + "y").status, 400);
  EXPECT_EQ(join(token, "eva", "Password 1234").status, 400) << "everybody's first try";
  EXPECT_EQ(join(token, "eva la de siempre", "Eva-la-de-siempre").status, 400) << "the name";
  for (const char* name : {"", " eva", "eva ", "e@va.cl", "e\nva", "e\u202eva", "e\u200bva"})
    EXPECT_EQ(join(token, name).status, 400) << name;
  EXPECT_EQ(join(token, std::string(61, 'e')).status, 400);
  Json old = consent_fields();
  old["consent_version"] = "1999";
  old["token"] = token;
  old["name"] = "eva";
  old["password"] = kPassphrase;
  EXPECT_EQ(somebody().post("/api/join", old).code(), "consent_outdated");
  EXPECT_EQ(count("account"), accounts);
  EXPECT_EQ(count("visitor"), visitors);
  EXPECT_EQ(count("annotator"), annotators);
  EXPECT_EQ(join(token, std::string(60, 'e')).status, 201) << "the invitation is still open";
}

TEST_F(SignInTest, AWrongNameAndAWrongPassphraseAreToldAlike) {
  start_as_web();
  joined("ana");
  const Reply good = login("ana", kPassphrase);
  ASSERT_EQ(good.status, 200) << good.json;
  EXPECT_EQ(get(signed_in(good), "/api/me").json["account"]["name"], "ana");
  const Reply wrong = login("ana", "otra frase de paso"), nobody = login("nadie", kPassphrase);
  EXPECT_EQ(wrong.status, 401);
  EXPECT_EQ(wrong.code(), "login_failed");
  EXPECT_EQ(nobody.status, 401);
  EXPECT_EQ(nobody.code(), "login_failed");
  EXPECT_EQ(nobody.json["error"]["message"], wrong.json["error"]["message"]);
  EXPECT_EQ(login("ana", "").status, 401);
  EXPECT_EQ(login("ana' OR '1'='1", kPassphrase).status, 401);
}

TEST_F(SignInTest, TriesAreLimitedAndSayWhenToComeBack) {
  CollectorConfig config;
  config.acts_per_minute = 1000;
  start_as_web(config);
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(login("nadie", kPassphrase).status, 401) << i;
  const Reply sixth = login("nadie", kPassphrase);
  EXPECT_EQ(sixth.status, 429);
  EXPECT_EQ(sixth.code(), "rate_limited");
  EXPECT_GE(std::stoi(sixth.headers.get("Retry-After")), 1);
}

TEST_F(SignInTest, ASessionCannotBePlanted) {
  start_as_web();
  const Credentials ana = joined("ana");
  // What an attacker chose is not taken over.
  http::Headers planted;
  planted.set("Cookie", cat("afina-account=", std::string(64, 'a')));
  const Reply fresh = login("ana", kPassphrase, planted);
  EXPECT_EQ(fresh.headers.get("Set-Cookie").find(std::string(64, 'a')), std::string::npos);
  // A living session that is brought along ends.
  http::Headers brought;
  brought.set("Cookie", ana.headers.get("Cookie"));
  ASSERT_EQ(login("ana", kPassphrase, brought).status, 200);
  EXPECT_EQ(get(ana, "/api/me").json["who"], "anyone");
}

TEST_F(SignInTest, ANewPassphraseEndsTheOtherSessions) {
  start_as_web();
  const Credentials ana = joined("ana");
  const Credentials other = signed_in(login("ana", kPassphrase)), third = signed_in(login("ana", kPassphrase));
  EXPECT_EQ(get(ana, "/api/sessions").json["sessions"].size(), 3u);
  EXPECT_EQ(post(ana, "/api/password", {{"old", "no es esta frase"}, {"new", "otra frase de paso"}}).code(),
            "login_failed");
  EXPECT_EQ(post(ana, "/api/password", {{"old", kPassphrase}, {"new", "corta"}}).status, 400);
  EXPECT_EQ(get(other, "/api/me").json["who"], "annotator") << "nothing changed yet";
  const Reply changed = post(ana, "/api/password", {{"old", kPassphrase}, {"new", "otra frase de paso"}});
  ASSERT_EQ(changed.status, 200) << changed.json;
  for (const Credentials& ended : {ana, other, third})
    EXPECT_EQ(get(ended, "/api/sessions").status, 401);
  const Credentials now = signed_in(changed);
  EXPECT_EQ(get(now, "/api/sessions").json["sessions"].size(), 1u);
  EXPECT_EQ(login("ana", kPassphrase).status, 401);
  EXPECT_EQ(login("ana", "otra frase de paso").status, 200);
}

TEST_F(SignInTest, ANewPassphraseRevokesTheTokensEverywhere) {
  start_as_web();
  const std::string place = workspace("Universidad");
  const Credentials ana = joined("ana"), eva = joined("eva");
  as_owner([&](storage::Transaction& t) {
    storage::add_member(t, place, ana.account_id, storage::Role::engineer);
    return 0;
  });
  const Credentials here = token_of(ana, {"read"}), there = token_of(ana, {"read"}, place);
  const Credentials others = token_of(eva, {"read"});
  for (const Credentials& token : {here, there, others})
    ASSERT_EQ(get(token, "/api/me").status, 200);
  ASSERT_EQ(post(ana, "/api/password", {{"old", kPassphrase}, {"new", "otra frase de paso"}}).status, 200);
  EXPECT_EQ(get(here, "/api/me").status, 401);
  EXPECT_EQ(get(there, "/api/me").status, 401);
  EXPECT_EQ(get(others, "/api/me").status, 200) << "somebody else's";
}

TEST_F(SignInTest, AWrongPassphraseIsToldBeforeTheTrailIsWritten) {
  start_as_web();
  joined("ana");
  {
    // While nobody can write to the trail: whoever waited for it would tell that the name is known.
    storage::Database& db = owner();
    db.transaction([&](storage::Transaction& t) {
      t.exec("LOCK TABLE audit_event IN EXCLUSIVE MODE");
      EXPECT_EQ(login("nadie", kPassphrase).status, 401);
      EXPECT_EQ(login("ana", "no es esta frase").status, 401);
    });
  }
  wait_for_failure(member(storage::Role::admin));
}

TEST_F(SignInTest, OneEndsOnesOwnSessionsOnly) {
  start_as_web();
  const Credentials ana = joined("ana"), eva = joined("eva");
  const Json rows = get(ana, "/api/sessions").json["sessions"];
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["current"], true);
  const std::string id = rows[0]["id"];
  EXPECT_EQ(post(eva, cat("/api/sessions/", id, "/end")).status, 404);
  EXPECT_EQ(post(ana, cat("/api/sessions/", id, "/end")).status, 200);
  EXPECT_EQ(get(ana, "/api/sessions").status, 401);
  EXPECT_EQ(post(eva, "/api/logout").status, 200);
  EXPECT_EQ(get(eva, "/api/sessions").status, 401);
  EXPECT_EQ(somebody().post("/api/logout").status, 200) << "nothing to end";
}

TEST_F(SignInTest, ARoleTakenAwayIsGoneWithTheNextRequest) {
  start_as_web();
  const Credentials admin = member(storage::Role::admin), other = member(storage::Role::admin);
  const Credentials program = token_of(other, {"admin"});
  EXPECT_EQ(get(other, "/api/accounts").status, 200);
  EXPECT_EQ(get(program, "/api/accounts").status, 200);
  const Reply demoted = post(admin, cat("/api/accounts/", other.account_id), {{"role", "annotator"}});
  ASSERT_EQ(demoted.status, 200) << demoted.json;
  EXPECT_EQ(demoted.json["role"], "annotator");
  EXPECT_EQ(get(other, "/api/accounts").status, 401) << "the session ended";
  EXPECT_EQ(get(program, "/api/accounts").status, 403) << "the token has the new role";
  ASSERT_EQ(post(admin, cat("/api/accounts/", other.account_id), {{"status", "disabled"}}).status, 200);
  EXPECT_EQ(get(program, "/api/accounts").status, 401);
  EXPECT_EQ(post(admin, cat("/api/accounts/", admin.account_id), {{"role", "annotator"}}).status, 400)
      << "nobody locks the last door from outside by a slip";
  for (const Json& bad : {Json{{"role", "king"}}, Json{{"status", "gone"}}, Json{{"rol", "admin"}}, Json::array()})
    EXPECT_EQ(post(admin, cat("/api/accounts/", other.account_id), bad).status, 400) << bad;
}

TEST_F(SignInTest, TokensAreShownOnceAndStayWithinOnesRole) {
  start_as_web();
  const Credentials engineer = member(storage::Role::engineer), other = member(storage::Role::engineer);
  const Credentials admin = member(storage::Role::admin);
  const Json wish{{"name", "exportador"}, {"scopes", {"read", "data", "read"}}, {"days", 30}};
  const Reply made = post(engineer, "/api/tokens", wish);
  ASSERT_EQ(made.status, 201) << made.json;
  const std::string text = made.json["token"], id = made.json["id"];
  EXPECT_TRUE(text.starts_with(cat("afina_", id, "_"))) << text;
  EXPECT_EQ(get(engineer, "/api/tokens").json.dump().find(text.substr(43)), std::string::npos);
  EXPECT_EQ(get(engineer, "/api/tokens").json["tokens"][0]["scopes"], (Json{"data", "read"}));
  Credentials program;
  program.headers.set("Authorization", "Bearer " + text);
  EXPECT_EQ(get(program, "/api/me").json["who"], "engineer");
  EXPECT_TRUE(get(program, "/api/me").json["csrf"].is_null());
  EXPECT_EQ(post(program, "/api/tokens", wish).code(), "wrong_scope") << "a token makes no tokens";
  EXPECT_EQ(post(engineer, "/api/tokens", {{"name", "x"}, {"scopes", {"admin"}}, {"days", 1}}).status, 403);
  for (const Json& bad :
       {Json{{"name", "x"}, {"scopes", Json::array()}, {"days", 1}},
        Json{{"name", "x"}, {"scopes", {"root"}}, {"days", 1}}, Json{{"name", "x"}, {"scopes", {"read"}}, {"days", 0}},
        Json{{"name", "x"}, {"scopes", {"read"}}, {"days", 367}},
        Json{{"name", "x"}, {"scopes", {"read"}}, {"days", 1}, {"rate_class", "vip"}}}) {
    EXPECT_EQ(post(engineer, "/api/tokens", bad).status, 400) << bad;
  }
  EXPECT_TRUE(get(other, "/api/tokens").json["tokens"].empty()) << "one's own";
  EXPECT_EQ(post(other, cat("/api/tokens/", id, "/revoke")).status, 404);
  EXPECT_EQ(get(admin, "/api/tokens").json["tokens"].size(), 1u);
  EXPECT_EQ(post(admin, cat("/api/tokens/", id, "/revoke")).status, 200);
  EXPECT_EQ(get(program, "/api/me").status, 401);
  EXPECT_EQ(get(engineer, "/api/tokens").json["tokens"][0]["revoked"], true);
}

TEST_F(SignInTest, AnAccountWithoutConsentGivesItAndTakesItBack) {
  start_as_web();
  const Credentials ana = joined("ana");
  ASSERT_EQ(post(ana, "/api/conversations").status, 201);
  EXPECT_EQ(post(ana, "/api/visits", consent_fields()).status, 400) << "there is one";
  const Reply gone = post(ana, "/api/withdraw");
  ASSERT_EQ(gone.status, 200) << gone.json;
  EXPECT_EQ(gone.json["conversations"], 1);
  EXPECT_EQ(gone.json["already"], false);
  EXPECT_TRUE(gone.json["runs"].is_array());
  EXPECT_TRUE(gone.json["adapters"].is_array());
  EXPECT_EQ(get(ana, "/api/me").json["consent"], false) << "signed in still";
  EXPECT_EQ(post(ana, "/api/conversations").code(), "consent_required");
  EXPECT_EQ(post(ana, "/api/withdraw").status, 400) << "nothing is left to take back";
  const Reply again = post(ana, "/api/visits", consent_fields());
  ASSERT_EQ(again.status, 201) << again.json;
  EXPECT_FALSE(again.json.contains("session_token"));
  EXPECT_EQ(post(ana, "/api/conversations").status, 201);
  EXPECT_EQ(get(ana, "/api/conversations").json["conversations"].size(), 1u) << "what was taken back stays so";
  EXPECT_EQ(somebody().post("/api/withdraw", {{"receipt_code", again.json["receipt_code"]}}).status, 200)
      << "the code works too";
  EXPECT_EQ(get(ana, "/api/me").json["consent"], false);
}

TEST_F(SignInTest, WhoAgreedToOtherWordsIsToldSoUntilTheyAgreeToThoseOfNow) {
  start_as_web();
  const Credentials ana = joined("ana");
  EXPECT_EQ(get(ana, "/api/me").json["consent_outdated"], false);
  const std::string visitor = get(ana, "/api/me").json["visitor"];
  as_owner([&](storage::Transaction& t) {
    storage::ConsentEvent event;
    event.visitor_id = visitor;
    event.text_id = storage::ensure_consent_text(t, "2020-1", "es", R"({"title": "otro"})").id;
    event.purposes = {"collect"};
    storage::add_consent_event(t, event);
  });
  EXPECT_EQ(get(ana, "/api/me").json["consent_outdated"], true);
  EXPECT_EQ(get(ana, "/api/me").json["consent"], true) << "it holds for what was given under it";
  Json choice = consent_fields();
  choice.erase("adult");
  ASSERT_EQ(post(ana, "/api/consent", choice).status, 200);
  EXPECT_EQ(get(ana, "/api/me").json["consent_outdated"], false);
  EXPECT_EQ(somebody().get("/api/me").json["consent_outdated"], false);
}

TEST_F(SignInTest, TheTrailNamesWhoDidWhatAndHoldsNoSecrets) {
  start_as_web();
  const Credentials admin = member(storage::Role::admin);
  const std::string token = invite(admin);
  const Reply reply = join(token, "ana");
  const Credentials ana = signed_in(reply);
  login("ana", "no es esta frase");
  wait_for_failure(admin);
  const Reply fresh = login("ana", kPassphrase);
  EXPECT_EQ(get(ana, "/api/accounts").status, 403);
  EXPECT_EQ(get(ana, cat("/api/conversations/", new_uuid())).status, 404);
  const Json key = post(admin, "/api/tokens", {{"name", "k"}, {"scopes", {"read"}}, {"days", 1}}).json;
  ASSERT_EQ(post(ana, "/api/withdraw").status, 200);
  const Json trail = get(admin, "/api/audit?limit=200").json["events"];
  std::vector<std::string> acts;
  for (auto event = trail.rbegin(); event != trail.rend(); ++event) {
    acts.push_back(cat((*event)["actor"].get<std::string>(), " ", (*event)["action"].get<std::string>()));
    EXPECT_TRUE((*event)["detail"].contains("request")) << *event;
  }
  const std::string boss = get(admin, "/api/me").json["account"]["name"];
  EXPECT_EQ(acts, (std::vector<std::string>{cat("account:", boss, " invitation.create"), "account:ana join",
                                            "account:ana login.failed", "account:ana login", "account:ana denied",
                                            "account:ana denied", cat("account:", boss, " token.create"),
                                            "account:ana withdraw"}));
  const std::string all = trail.dump();
  for (const std::string& secret :
       {token, std::string(kPassphrase), std::string("no es esta frase"), key["token"].get<std::string>().substr(43),
        reply.json["receipt_code"].get<std::string>(), ana.headers.get("Cookie").substr(14), ana.csrf}) {
    EXPECT_EQ(all.find(secret), std::string::npos) << secret;
  }
  EXPECT_EQ(as_owner([](storage::Transaction& t) { return storage::verify_audit(t); }), 0);
  EXPECT_EQ(get(admin, "/api/audit?before=3").json["events"].size(), 2u);
  for (const char* bad : {"/api/audit?before=x", "/api/audit?before=-1", "/api/audit?limit=0", "/api/audit?limit=201",
                          "/api/audit?before=99999999999999999999"}) {
    EXPECT_EQ(get(admin, bad).status, 400) << bad;
  }
}

}  // namespace
}  // namespace afina::collector
