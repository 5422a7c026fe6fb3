// SPDX-License-Identifier: Apache-2.0
// Where Afina keeps its data: $AFINA_HOME, else the nearest .afina folder upwards, else the user's data folder.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

namespace afina {

struct HomeInputs {
  std::optional<std::string> afina_home;     ///< $AFINA_HOME
  std::optional<std::string> xdg_data_home;  ///< $XDG_DATA_HOME
  std::optional<std::string> user_home;      ///< $HOME
  std::filesystem::path working_folder;
};

/// Reads the environment and the working folder. For main only.
HomeInputs home_inputs_from_environment();
/// The absolute home folder; it need not exist yet. Throws UsageError where no rule gives a path.
std::filesystem::path find_home(const HomeInputs& inputs);

}  // namespace afina
