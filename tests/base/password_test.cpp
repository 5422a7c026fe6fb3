// SPDX-License-Identifier: Apache-2.0
#include "base/password.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>

#include "base/error.h"

namespace afina {
namespace {

constexpr PasswordCost kQuick{1, size_t{1} << 20};

TEST(PasswordTest, AHashVerifiesItsPassphraseAndNoOther) {
  const PasswordHasher hasher(kQuick);
  const std::string hash = hasher.hash("tres ñandúes cruzan");
  EXPECT_TRUE(hash.starts_with("$argon2id$v=19$m=1024,t=1,p=1$")) << hash;
  EXPECT_TRUE(hasher.verify(hash, "tres ñandúes cruzan"));
  EXPECT_FALSE(hasher.verify(hash, "tres nandues cruzan"));
  EXPECT_FALSE(hasher.verify(hash, ""));
  EXPECT_NE(hasher.hash("tres ñandúes cruzan"), hash) << "a salt of its own";
  for (const char* bad : {"x", "$argon2id$", "plain words", "$2y$10$abc"})
    EXPECT_FALSE(hasher.verify(bad, "x"));
  EXPECT_FALSE(hasher.verify(std::string(4000, '$'), "x"));
  EXPECT_FALSE(hasher.verify("", ""));
}

TEST(PasswordTest, CostsAreThoseOfTheReferenceAndOldOnesAreRenewed) {
  const PasswordHasher now, before(kQuick);
  const std::string hash = now.hash("una frase de paso");
  EXPECT_TRUE(hash.starts_with("$argon2id$v=19$m=65536,t=2,p=1$")) << hash;
  EXPECT_FALSE(now.needs_rehash(hash));
  EXPECT_TRUE(now.needs_rehash(before.hash("una frase de paso")));
  EXPECT_TRUE(now.needs_rehash(""));
}

// Golden: made by PyPI argon2-cffi 23.1.0, argon2.PasswordHasher(time_cost=2, memory_cost=1024, parallelism=1), with
// the salt "0123456789abcdef".
TEST(PasswordTest, AHashOfAnotherProgramVerifies) {
  const PasswordHasher hasher(kQuick);
  EXPECT_TRUE(
      hasher.verify("$argon2id$v=19$m=1024,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$9osgF9Vj/OWKKHDH0I89IVwT2taN4B89WCPCiZ5aS1Q",
                    "correct horse battery"));
}

TEST(PasswordTest, NobodysPassphraseCostsTheSameTime) {
  const PasswordHasher hasher;
  const std::string hash = hasher.hash("una frase de paso");
  const auto cpu_ms = [&](const std::string& of) {
    double best = 1e9;
    for (int i = 0; i < 3; ++i) {
      timespec a{}, b{};
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
      EXPECT_FALSE(hasher.verify(of, "otra frase de paso"));
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
      best = std::min(best, double(b.tv_sec - a.tv_sec) * 1e3 + double(b.tv_nsec - a.tv_nsec) / 1e6);
    }
    return best;
  };
  const double known = cpu_ms(hash), nobody = cpu_ms("");
  EXPECT_GT(nobody, known / 2);
  EXPECT_LT(nobody, known * 2);
}

TEST(PasswordTest, NoMoreThanTwoAtOneTimeAndNobodyWaitsForever) {
  const PasswordHasher slow({8, size_t{64} << 20}, std::chrono::milliseconds(1));
  std::vector<std::future<bool>> tries;
  for (int i = 0; i < 6; ++i) {
    tries.push_back(std::async(std::launch::async, [&] {
      try {
        slow.hash("una frase de paso");
        return true;
      } catch (const StorageError& error) {
        EXPECT_TRUE(error.retryable());
        return false;
      }
    }));
  }
  int done = 0;
  for (auto& one : tries)
    done += one.get() ? 1 : 0;
  EXPECT_GE(done, 2);
  EXPECT_LT(done, 6);
}

TEST(PassphraseTest, TwelveTo128CharactersOfAnyKind) {
  const auto refused = [](const std::string& words, const std::string& name = "ana") {
    try {
      check_passphrase(words, name);
      return false;
    } catch (const UsageError&) {
      return true;
    }
  };
  EXPECT_TRUE(refused("once letras"));
  EXPECT_FALSE(refused("doce letras."));
  EXPECT_FALSE(refused("ñandúñandúñú")) << "twelve characters, not bytes";
  std::string longest;
  for (int i = 0; i < 64; ++i)
    longest += cat("ñ", static_cast<char>('a' + i % 26));
  EXPECT_FALSE(refused(longest));
  EXPECT_TRUE(refused(longest + "x"));
  EXPECT_FALSE(refused("🦙🦙🦙🦙🦙🦙🦙🦙🦙🦙🦙🐧"));
  EXPECT_TRUE(refused("aaaaaaaaaaaaa"));
  EXPECT_TRUE(refused("con\nsalto de línea"));
  EXPECT_TRUE(refused("no es utf-8: \xff\xfe"));
  EXPECT_TRUE(refused("Pass-Word 1234"));
  EXPECT_TRUE(refused("qwertyuiop123"));
  EXPECT_TRUE(refused("rayen nanculef", "Rayen Nanculef"));
  EXPECT_FALSE(refused("todo en minusculas"));
  EXPECT_TRUE(refused("inge-inge-inge", "inge"));
  EXPECT_TRUE(refused("Inge Inge 2026", "inge")) << "little more than the name";
  EXPECT_FALSE(refused("inge cruza el puente", "inge")) << "and more";
  EXPECT_FALSE(refused("la casa de maria elena", "ma"));
  EXPECT_TRUE(refused("contraseñacontraseña"));
  EXPECT_TRUE(refused("Casa-Casa-Casa"));
  EXPECT_FALSE(refused("casa-casa-cama"));
  EXPECT_TRUE(refused("qwertyuiopas"));
  EXPECT_TRUE(refused("lkjhgfdsapoi"));
  EXPECT_TRUE(refused("mnbvcxz-ñlkjhgf"));
  EXPECT_TRUE(refused("bcdefghijklmn"));
  EXPECT_TRUE(refused("567890123456"));
  EXPECT_FALSE(refused("qwerty y uiopas"));
}

TEST(SameSecretTest, ComparesWholeStrings) {
  EXPECT_TRUE(same_secret("abc", "abc"));
  EXPECT_TRUE(same_secret("", ""));
  EXPECT_FALSE(same_secret("abc", "abd"));
  EXPECT_FALSE(same_secret("abc", "ab"));
  EXPECT_FALSE(same_secret("", "a"));
}

}  // namespace
}  // namespace afina
