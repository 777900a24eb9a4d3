// SPDX-License-Identifier: Apache-2.0
#include "cli/config_file.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "cli/config_text.hpp"
#include "cli/file.hpp"
#include "cli/text.hpp"

namespace sluice::cli {
namespace {

constexpr size_t file_bytes_max = 4 << 20;

/// Reads one file and lays it over what is there.
void read_one(const std::string& path, const Origin& named_by, ConfigFiles& files,
              Problems& problems) {
  auto file = read_file(path, "configuration file", file_bytes_max);
  if (!file) {
    problems.add(Problem{Errc::config, "config", named_by, file.error().message,
                         "check the path, or give --config none to use no file"});
    return;
  }
  const std::string shown = path.rfind("./", 0) == 0 ? path.substr(2) : path;
  const std::string name = path == "-" ? "<stdin>" : escape_control(shown);
  if ((file->mode & S_IWOTH) != 0) {
    problems.add(Problem{Errc::config, "config", Origin{Origin::Kind::file, name, 0, 0, 0},
                         "everyone may write to this configuration file",
                         fmt::format("chmod o-w {}", name)});
    return;
  }
  const std::string_view text = trim(file->text);
  const bool json = path.ends_with(".json") || (path == "-" && !text.empty() && text[0] == '{');
  const auto root =
      json ? parse_json(name, file->text, problems) : parse_toml(name, file->text, problems);
  files.used.push_back(path == "-" ? "standard input" : path);
  if (root) merge(files.root, *root);
}

/// Also a link to a file that is not there: somebody meant it to be read.
bool exists(const std::string& path) {
  std::error_code failure;
  return std::filesystem::exists(path, failure) || std::filesystem::is_symlink(path, failure);
}

std::vector<std::string> search_list(const Environment& environment,
                                     const std::string& system_folder) {
  std::vector<std::string> paths{"./sluice.toml"};
  if (const auto folder = environment.get("XDG_CONFIG_HOME")) {
    paths.push_back(*folder + "/sluice/sluice.toml");
  } else if (const auto home = environment.get("HOME")) {
    paths.push_back(*home + "/.config/sluice/sluice.toml");
  }
  paths.push_back(system_folder + "/sluice.toml");
  return paths;
}

void read_drop_ins(const std::string& system_folder, ConfigFiles& files, Problems& problems) {
  std::vector<std::string> paths;
  std::error_code failure;
  for (std::filesystem::directory_iterator entry(system_folder + "/conf.d", failure), end;
       !failure && entry != end; entry.increment(failure)) {
    if (entry->path().extension() == ".toml") paths.push_back(entry->path().string());
  }
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) read_one(path, Origin{}, files, problems);
}

}  // namespace

ConfigFiles read_config_files(const std::vector<Setting<std::string>>& named,
                              const Environment& environment, const std::string& system_folder,
                              Problems& problems) {
  ConfigFiles files;
  bool none = false;
  for (const Setting<std::string>& file : named) {
    none = none || file.value == "none";
    if (file.value != "none") read_one(file.value, file.origin, files, problems);
  }
  const std::string system_file = system_folder + "/sluice.toml";
  if (named.empty()) {
    const auto paths = search_list(environment, system_folder);
    const auto found = std::find_if(paths.begin(), paths.end(), exists);
    if (found != paths.end()) read_one(*found, Origin{}, files, problems);
  }
  const bool system =
      std::find(files.used.begin(), files.used.end(), system_file) != files.used.end();
  if (system || (named.empty() && files.used.empty())) {
    read_drop_ins(system_folder, files, problems);
  }
  if (none && !files.used.empty()) {
    problems.add(named.front().origin, "--config none and --config with a file exclude each other");
  }
  return files;
}

}  // namespace sluice::cli
