// SPDX-License-Identifier: Apache-2.0
// Holds the tree to cmake/rooms.txt: which room includes which, where LibTorch may appear, and in which headers not at
// all.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace {

namespace fs = std::filesystem;

struct Room {
  std::set<std::string> may_include;
  bool torch = false;
};

std::map<std::string, Room> read_table() {
  std::map<std::string, Room> rooms;
  std::ifstream in(fs::path(AFINA_SOURCE_DIR) / "cmake" / "rooms.txt");
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    const size_t colon = line.find(':');
    Room room;
    room.torch = line.find("| torch") != std::string::npos;
    std::istringstream names(
        line.substr(colon + 1, line.find('|') == std::string::npos ? std::string::npos : line.find('|') - colon - 1));
    for (std::string name; names >> name;)
      room.may_include.insert(name);
    rooms[line.substr(0, colon)] = room;
  }
  return rooms;
}

// The longest room whose folder holds the path: model/kernels/cpu before model.
std::string room_of(const std::map<std::string, Room>& rooms, const std::string& path) {
  std::string best;
  for (const auto& [name, room] : rooms) {
    if (path.rfind(name + "/", 0) == 0 && name.size() > best.size()) best = name;
  }
  return best;
}

TEST(IncludeScan, EveryIncludeIsAllowedByTheRoomTable) {
  const auto rooms = read_table();
  ASSERT_GT(rooms.size(), 15U);
  const std::regex include("^\\s*#\\s*include\\s*([\"<])([^\">]+)[\">]");
  int scanned = 0;
  for (const auto& entry : fs::recursive_directory_iterator(AFINA_SOURCE_DIR)) {
    const std::string path = fs::relative(entry.path(), AFINA_SOURCE_DIR).generic_string();
    const std::string extension = entry.path().extension();
    const std::string room = room_of(rooms, path);
    if (room.empty() || (extension != ".h" && extension != ".cpp" && extension != ".cu")) continue;
    ++scanned;
    std::ifstream in(entry.path());
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      std::smatch match;
      if (!std::regex_search(line, match, include)) continue;
      const std::string target = match[2];
      if (match[1] == "\"") {
        const std::string other = room_of(rooms, target);
        const auto& allowed = rooms.at(room).may_include;
        EXPECT_TRUE(other.empty() || other == room || allowed.count("*") > 0 || allowed.count(other) > 0)
            << path << ":" << number << " may not include " << target;
      } else {
        const bool torch = std::regex_search(target, std::regex("^(torch|ATen|c10)/"));
        EXPECT_FALSE(torch && !rooms.at(room).torch && room != "app")
            << path << ":" << number << " may not use LibTorch";
        EXPECT_FALSE(target == "torch/torch.h") << path << ":" << number << " must not include torch/torch.h";
        EXPECT_FALSE(target == "libpq-fe.h" && room != "storage")
            << path << ":" << number << ": SQL belongs in storage/";
      }
    }
  }
  EXPECT_GT(scanned, 20);
}

}  // namespace
