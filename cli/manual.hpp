// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Manual pages, made of the same tables as the parser and the help: in roff's man macros. The
/// generated files are checked in under man/.
namespace sluice::cli {

struct ManualPage {
  std::string topic;  ///< what `sluice man` calls it: "", "sync", "sluice.toml"
  std::string file;   ///< "sluice.1", "sluice-sync.1", "sluice.toml.5"
};

[[nodiscard]] std::vector<ManualPage> manual_pages();

/// The page's text; nothing when there is none on the topic.
[[nodiscard]] std::optional<std::string> manual_page(std::string_view topic);

}  // namespace sluice::cli
