// SPDX-License-Identifier: Apache-2.0
#include "base/password.h"

#include <sodium.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/hash.h"
#include "base/utf8.h"

namespace afina {
namespace {

// Passphrases of twelve characters and more that are first in lists of leaked ones, or that anybody would try first
// here. Folded: lower case, without blanks and marks between.
constexpr std::array<std::string_view, 72> kBreached = {
    "123456789012",      "1234567890123",       "12345678901234",
    "123456789012345",   "1234567890123456",    "123456123456",
    "123412341234",      "123123123123",        "111222333444",
    "112233445566",      "012345678910",        "987654321098",
    "1q2w3e4r5t6y",      "1q2w3e4r5t6y7u",      "1q2w3e4r5t6y7u8i",
    "1qaz2wsx3edc",      "1qaz2wsx3edc4rfv",    "qazwsxedcrfv",
    "qwertyuiop12",      "qwertyuiop123",       "qwertyuiop1234",
    "qwertyuiopasdf",    "qwertyuiopasdfghjkl", "qwerty123456",
    "qwertyqwerty",      "asdfghjklqwe",        "asdfasdfasdf",
    "zxcvbnmasdfghjkl",  "abcdefghijkl",        "abcdefghijklm",
    "abc123abc123",      "abcd1234abcd",        "password1234",
    "password12345",     "password123456",      "passwordpassword",
    "password1password", "mypassword123",       "mypassword1234",
    "thisismypassword",  "changemechangeme",    "changeme1234",
    "administrator",     "administrador",       "admin1234567",
    "adminadminadmin",   "rootrootroot",        "letmeinletmein",
    "letmein12345",      "iloveyou1234",        "iloveyouforever",
    "welcome12345",      "welcome123456",       "correcthorsebatterystaple",
    "trustno1trustno1",  "superman1234",        "1234qwerasdf",
    "q1w2e3r4t5y6",      "contrasena123",       "contraseña123",
    "contrasena1234",    "contraseña1234",      "micontrasena",
    "micontraseña",      "teamomuchomucho",     "teamomiamor",
    "tequieromucho",     "senha1234567",        "senhasenha12",
    "minhasenha123",     "afinaafinaafina",     "afina1234567"};

std::string folded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == ' ' || c == '-' || c == '_' || c == '.') continue;
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

// A word over and over is as strong as the word: "contraseñacontraseña".
bool repeats_a_word(const std::vector<char32_t>& points) {
  for (size_t length = 1; length < kShortestPassphrase && 2 * length <= points.size(); ++length) {
    if (std::equal(points.begin() + static_cast<std::ptrdiff_t>(length), points.end(), points.begin())) return true;
  }
  return false;
}

// Neighbours on a keyboard or in the alphabet, in either direction: "qwertyuiopas".
bool walks_a_row(const std::vector<char32_t>& points) {
  for (const std::u32string_view row :
       {U"qwertyuiopasdfghjklñzxcvbnm", U"qwertyuiopasdfghjklzxcvbnm", U"qwertzuiopasdfghjklyxcvbnm",
        U"abcdefghijklmnopqrstuvwxyz", U"abcdefghijklmnñopqrstuvwxyz", U"12345678901234567890"}) {
    std::u32string around = std::u32string(row) + std::u32string(row);
    const auto walked = [&] {
      return std::search(around.begin(), around.end(), points.begin(), points.end()) != around.end();
    };
    if (walked()) return true;
    std::ranges::reverse(around);
    if (walked()) return true;
  }
  return false;
}

/// What is left of a passphrase without the name that everybody can see.
std::string without(std::string plain, const std::string& name) {
  if (name.empty()) return plain;
  for (size_t at = plain.find(name); at != std::string::npos; at = plain.find(name, at))
    plain.erase(at, name.size());
  return plain;
}

class Turn {
 public:
  Turn(std::counting_semaphore<2>& turns, std::chrono::milliseconds patience) : turns_(turns) {
    if (turns_.try_acquire_for(patience)) return;
    throw StorageError("[password] a sign-in must get its turn, but too many are waiting.", "try again", true);
  }
  ~Turn() { turns_.release(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  std::counting_semaphore<2>& turns_;
};

std::string make_hash(const std::string& passphrase, const PasswordCost& cost) {
  std::array<char, crypto_pwhash_STRBYTES> out{};
  if (crypto_pwhash_str_alg(out.data(), passphrase.data(), passphrase.size(), cost.passes, cost.memory_bytes,
                            crypto_pwhash_ALG_ARGON2ID13) != 0) {
    throw StorageError("[password] hashing must get its memory, but there is none.", "try again", true);
  }
  return out.data();
}

}  // namespace

PasswordHasher::PasswordHasher(PasswordCost cost, std::chrono::milliseconds patience)
    : cost_(cost), patience_(patience) {
  if (sodium_init() < 0) throw InternalError("[password] libsodium must start, but did not.");
  nobody_ = make_hash(random_hex(32), cost_);
}

std::string PasswordHasher::hash(const std::string& passphrase) const {
  const Turn turn(turns_, patience_);
  return make_hash(passphrase, cost_);
}

bool PasswordHasher::verify(const std::string& hash, const std::string& passphrase) const {
  const Turn turn(turns_, patience_);
  const std::string& known = hash.empty() ? nobody_ : hash;
  // libsodium reads up to its own length.
  if (known.size() >= crypto_pwhash_STRBYTES) return false;
  const bool same = crypto_pwhash_str_verify(known.c_str(), passphrase.data(), passphrase.size()) == 0;
  return same && !hash.empty();
}

bool PasswordHasher::needs_rehash(const std::string& hash) const {
  if (hash.size() >= crypto_pwhash_STRBYTES) return true;
  return crypto_pwhash_str_needs_rehash(hash.c_str(), cost_.passes, cost_.memory_bytes) != 0;
}

void check_passphrase(std::string_view passphrase, std::string_view name) {
  const auto refuse = [](const char* must) { throw UsageError(cat("[passphrase] must ", must, ".")); };
  if (passphrase.size() > 4 * kLongestPassphrase) refuse("have at most 128 characters");
  if (!is_valid_utf8(passphrase)) refuse("be UTF-8");
  const std::vector<char32_t> points = code_points(passphrase);
  if (points.size() < kShortestPassphrase) refuse("have at least 12 characters");
  if (points.size() > kLongestPassphrase) refuse("have at most 128 characters");
  if (std::ranges::any_of(points, [](char32_t c) { return c < 0x20 || c == 0x7f; }))
    refuse("hold no control characters");
  if (std::ranges::all_of(points, [&](char32_t c) { return c == points.front(); })) refuse("not be one character only");
  const std::string plain = folded(passphrase);
  const std::vector<char32_t> said = code_points(plain);
  if (!name.empty() && plain == folded(name)) refuse("not be the name");
  // Two letters are in many words; a name of them alone gives nothing away.
  if (code_points(name).size() >= 3 && code_points(without(plain, folded(name))).size() < kShortestPassphrase / 2) {
    refuse("say more than the name");
  }
  if (repeats_a_word(said)) refuse("not be a word over and over");
  if (walks_a_row(said)) refuse("not be neighbours on a keyboard");
  if (std::ranges::find(kBreached, plain) != kBreached.end()) {
    refuse("not be one that everybody tries first: it stands in lists of leaked passphrases");
  }
}

bool same_secret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace afina
