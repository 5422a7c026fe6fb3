// SPDX-License-Identifier: Apache-2.0
#include "base/home.h"

#include <cstdlib>

#include "base/error.h"

namespace afina {
namespace {

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? std::optional<std::string>(value) : std::nullopt;
}

}  // namespace

HomeInputs home_inputs_from_environment() {
  return {variable("AFINA_HOME"), variable("XDG_DATA_HOME"), variable("HOME"), std::filesystem::current_path()};
}

std::filesystem::path find_home(const HomeInputs& inputs) {
  namespace fs = std::filesystem;
  if (inputs.afina_home) return fs::absolute(*inputs.afina_home).lexically_normal();
  for (fs::path folder = inputs.working_folder; !folder.empty(); folder = folder.parent_path()) {
    std::error_code ignored;
    if (fs::is_directory(folder / ".afina", ignored)) return folder / ".afina";
    if (folder == folder.root_path()) break;
  }
  if (inputs.xdg_data_home) return fs::path(*inputs.xdg_data_home) / "afina";
  if (inputs.user_home) return fs::path(*inputs.user_home) / ".local" / "share" / "afina";
  throw UsageError("[base.home] must find a home folder, but AFINA_HOME, XDG_DATA_HOME and HOME are all unset.",
                   "set AFINA_HOME to a folder for Afina's data");
}

}  // namespace afina
