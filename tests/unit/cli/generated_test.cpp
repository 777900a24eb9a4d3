// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "cli/completion.hpp"
#include "cli/config_schema.hpp"
#include "cli/manual.hpp"

namespace sluice::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* regenerate =
    "man/ and completions/ are generated from the command line's tables; one command writes them "
    "anew: SLUICE_UPDATE_GOLDEN=1 build/release/tests/unit_cli --gtest_filter='Generated.*'";

std::string text_of(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

/// The files of a folder are these, and hold that.
void expect_files(const std::string& folder, const std::map<std::string, std::string>& wanted) {
  const fs::path path = fs::path(SLUICE_GOLDEN).parent_path().parent_path() / folder;
  const bool update = std::getenv("SLUICE_UPDATE_GOLDEN") != nullptr;
  if (update) fs::create_directories(path);
  for (const auto& [name, text] : wanted) {
    if (update) std::ofstream(path / name, std::ios::binary) << text;
    EXPECT_TRUE(text_of(path / name) == text)
        << folder << "/" << name << " is stale. " << regenerate;
  }
  for (const auto& entry : fs::directory_iterator(path)) {
    const bool ours = entry.path().filename() != "CMakeLists.txt" && entry.is_regular_file();
    const bool left_over = ours && wanted.count(entry.path().filename().string()) == 0;
    if (left_over && update) fs::remove(entry.path());
    EXPECT_FALSE(left_over && !update) << entry.path() << " belongs to nothing. " << regenerate;
  }
}

TEST(Generated, ManualPagesAreThoseOfTheTables) {
  std::map<std::string, std::string> pages;
  for (const ManualPage& page : manual_pages()) {
    pages[page.file] = manual_page(page.topic).value_or("");
    EXPECT_FALSE(pages[page.file].empty()) << page.file;
  }
  expect_files("man", pages);
}

TEST(Generated, CompletionsAreThoseOfTheTables) {
  std::map<std::string, std::string> scripts;
  for (const std::string& shell : completion_shells()) {
    scripts[completion_file(shell)] = completion_script(shell).value_or("");
  }
  expect_files("completions", scripts);
}

TEST(Generated, TheSchemaIsThatOfTheTables) {
  expect_files("man/share/schema", {{"sluice.schema.json", config_schema()}});
}

}  // namespace
}  // namespace sluice::cli
