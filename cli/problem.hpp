// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cli/origin.hpp"
#include "core/base/result.hpp"

namespace sluice::cli {

/// One thing that is wrong with the configuration or the command line.
struct Problem {
  Errc code = Errc::config;
  std::string slug = "config";
  Origin origin;
  std::string message;  ///< without the place
  std::string hint;     ///< "did you mean 'batch'?"; may be empty

  /// As one Error: place and message, hint as the fix.
  [[nodiscard]] Error error() const;
};

/// Gathers every problem, so that they are all told at once. The same problem twice is told once.
class Problems {
 public:
  /// Text of a configuration file, to show the line at fault.
  void add_source(const std::string& name, std::string_view text);

  /// A problem of the value at `origin`: of the command line when it is a flag, else of the
  /// configuration.
  void add(const Origin& origin, std::string message, std::string hint = {});
  void add(Problem problem);

  /// What was found up to now is all there is to say about those places of the files: later
  /// problems of the same places are dropped.
  void close_places();

  /// The value at `origin` is a secret: nothing of its line is shown.
  void keep_secret(const Origin& origin) { secret_places_.insert(origin.place()); }

  /// Whether the line at `origin` may hold a secret, so that nothing of it may be shown.
  [[nodiscard]] bool may_hold_secret(const Origin& origin) const;

  /// Puts them in the order in which people mend them: those without a place in a file first, then
  /// file by file from top to bottom.
  void sort();

  [[nodiscard]] bool empty() const { return problems_.empty(); }
  [[nodiscard]] const std::vector<Problem>& all() const { return problems_; }
  /// Usage where any problem is one of the command line.
  [[nodiscard]] Errc code() const;

  /// The block for stderr, one problem after the other:
  ///   error[config]: sluice.toml:14:1: unknown key 'batchs' in [pipelines.orders]
  ///      14 | batchs = { rows = 100_000 }
  ///         | ^^^^^^ did you mean 'batch'?
  /// Lines that may hold a secret are not shown. `color` makes "error[config]" and the marks under
  /// the line at fault red.
  [[nodiscard]] std::string render(bool color = false) const;

 private:
  [[nodiscard]] std::string render(const Problem& problem, bool color) const;

  std::map<std::string, std::vector<std::string>> lines_;  ///< by file name
  std::vector<std::string> files_;                         ///< as they were read
  std::vector<Problem> problems_;
  std::set<std::string> closed_;  ///< places, as Origin::describe() says them
  std::set<std::string> secret_places_;  ///< as Origin::place() says them
};

/// Whether the value of a key with this name may be a secret: never shown.
[[nodiscard]] bool is_secret_name(std::string_view name);

/// The same, and what may be a misspelt one ("passwort"): what stands beside it is not shown.
[[nodiscard]] bool may_name_secret(std::string_view text);

}  // namespace sluice::cli
