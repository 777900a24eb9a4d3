// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cli/environment.hpp"
#include "cli/origin.hpp"
#include "core/base/clock.hpp"
#include "core/base/result.hpp"

namespace sluice::cli {

/// Overwrites the memory of a string that held a secret and empties it.
void wipe(std::string& text) noexcept;

/// A password or key. Cannot be printed; its memory is overwritten when it goes.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text);  ///< wipes what it was given
  ~Secret() { wipe(text_); }
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  [[nodiscard]] bool empty() const { return text_.empty(); }
  /// The secret itself. Every call is a place to look at in a review.
  [[nodiscard]] const std::string& reveal() const { return text_; }

 private:
  std::string text_;
};

/// Where a secret is kept. The configuration holds only this.
struct SecretReference {
  enum class Kind : uint8_t { none, file, environment, credential, command };
  Kind kind = Kind::none;
  std::string name;                  ///< path, variable or credential
  std::vector<std::string> command;  ///< of `command`: program and arguments, no shell
  Origin origin;
  std::string setting;  ///< "clickhouse.password", for messages

  [[nodiscard]] bool given() const { return kind != Kind::none; }
};

struct ResolvedSecret {
  Secret secret;
  std::string warning;  ///< e.g. that everyone may read the file; may be empty
};

/// Fetches the secret. One line break at the end is dropped; an empty secret is an error. Errors
/// name the setting and the place, never the content. A command has `timeout`.
[[nodiscard]] Result<ResolvedSecret> resolve(const SecretReference& reference,
                                             const Environment& environment,
                                             Milliseconds timeout = Milliseconds(30'000));

}  // namespace sluice::cli
