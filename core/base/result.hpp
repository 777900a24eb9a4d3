// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "core/base/check.hpp"

namespace sluice {

/// What the caller may do about an operating error. Decided once, where the error is born, and
/// mapped to exit codes in one place (cli/exit_code.hpp).
enum class Errc {
  usage,          ///< the command line is wrong                                          (2)
  config,         ///< configuration, topic, table or column is wrong: do not retry       (78)
  no_permission,  ///< authentication or a grant was refused                              (77)
  unavailable,    ///< the other end is down, overloaded or locked: try again             (75)
  rejected,       ///< a record could not be decoded or inserted and the policy is stop   (65)
  data_loss,      ///< records are gone (retention, truncation) before we could read them (1)
  io,             ///< a local file could not be read or written                          (74)
  cancelled,      ///< asked to stop                                                      (130/143)
  failed,         ///< a failure not otherwise classed                                    (1)
  internal,       ///< a bug                                                              (70)
};

/// One operating error, written for an administrator.
struct Error {
  Errc code = Errc::internal;
  std::string slug;  ///< stable kebab-case word for scripts: "table-missing", "kafka-unreachable"
  std::string message;  ///< what failed, on what; one sentence, no secret, no trailing full stop
  std::string fix;      ///< what to do next; may be empty
};

/// A value or an Error.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] T& value() & {
    CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] const T& value() const& {
    CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] T&& value() && {
    CHECK(ok());
    return std::move(*std::get_if<0>(&state_));
  }
  [[nodiscard]] const Error& error() const& {
    CHECK(!ok());
    return *std::get_if<1>(&state_);
  }
  [[nodiscard]] Error&& error() && {
    CHECK(!ok());
    return std::move(*std::get_if<1>(&state_));
  }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }

 private:
  std::variant<T, Error> state_;
};

/// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  [[nodiscard]] bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  void value() const { CHECK(ok()); }
  [[nodiscard]] const Error& error() const& {
    CHECK(!ok());
    return *error_;
  }
  [[nodiscard]] Error&& error() && {
    CHECK(!ok());
    return *std::move(error_);
  }

 private:
  std::optional<Error> error_;
};

}  // namespace sluice

/// `auto x = TRY(f());` yields the value or returns the error from the enclosing function.
#define TRY(expression)                                         \
  __extension__({                                               \
    auto try_result = (expression);                             \
    if (!try_result.ok()) return std::move(try_result).error(); \
    std::move(try_result).value();                              \
  })
