// SPDX-License-Identifier: Apache-2.0
#include "cli/origin.hpp"

#include <fmt/format.h>

namespace sluice::cli {

std::string Origin::describe() const {
  if (kind == Kind::built_in) return "default";
  if (kind != Kind::file || line == 0) return name;
  return fmt::format("{}:{}:{}", name, line, column);
}

std::string Origin::place() const {
  if (kind != Kind::file || line == 0) return describe();
  return fmt::format("{}:{}", name, line);
}

}  // namespace sluice::cli
