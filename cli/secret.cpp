// SPDX-License-Identifier: Apache-2.0
#include "cli/secret.hpp"

#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>

#include <utility>

#include "cli/file.hpp"
#include "cli/secret_command.hpp"
#include "cli/text.hpp"

namespace sluice::cli {
namespace {

constexpr size_t secret_bytes_max = 64 << 10;

Error secret_error(const SecretReference& reference, const std::string& reason,
                   const std::string& fix) {
  return {Errc::config, "secret-unavailable",
          fmt::format("{} ({}) is not available: {}", reference.setting, reference.origin.place(),
                      reason),
          fix};
}

Result<ResolvedSecret> finish(const SecretReference& reference, std::string& text) {
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  const bool broken = text.find('\0') != std::string::npos;
  ResolvedSecret resolved{Secret(std::move(text)), {}};
  wipe(text);
  if (resolved.secret.empty())
    return secret_error(reference, "it is empty", "write the secret there");
  if (broken) return secret_error(reference, "it holds a NUL byte", "check what was written there");
  return resolved;
}

/// Kubernetes and packages mount secrets readable for a group of root's choice: no reason to warn.
bool too_open(const FileText& file) {
  if ((file.mode & S_IROTH) != 0) return true;
  return (file.mode & S_IRGRP) != 0 && file.owner != 0;
}

Result<ResolvedSecret> from_file(const SecretReference& reference, const std::string& path) {
  auto file = read_file(path, "secret file", secret_bytes_max);
  if (!file)
    return secret_error(reference, file.error().message, "check the path and its permissions");
  const bool open = too_open(*file);
  ResolvedSecret resolved = TRY(finish(reference, file->text));
  if (open) {
    resolved.warning = fmt::format("secret file {} of {} may be read by others; chmod 600 it",
                                   escape_control(path), reference.setting);
  }
  return resolved;
}

Result<ResolvedSecret> from_credential(const SecretReference& reference,
                                       const Environment& environment) {
  const auto folder = environment.get("CREDENTIALS_DIRECTORY");
  if (!folder) {
    return secret_error(reference, "CREDENTIALS_DIRECTORY is not set: systemd gave no credentials",
                        fmt::format("add LoadCredential={}:PATH to the unit", reference.name));
  }
  return from_file(reference, *folder + "/" + reference.name);
}

}  // namespace

void wipe(std::string& text) noexcept {
  text.resize(text.capacity());
  ::explicit_bzero(text.data(), text.size());
  text.clear();
}

Secret::Secret(std::string text) : text_(text) { wipe(text); }

Secret::Secret(Secret&& other) noexcept : text_(std::move(other.text_)) { wipe(other.text_); }

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe(text_);
    text_ = std::move(other.text_);
    wipe(other.text_);
  }
  return *this;
}

Result<ResolvedSecret> resolve(const SecretReference& reference, const Environment& environment,
                               Milliseconds timeout) {
  switch (reference.kind) {
    case SecretReference::Kind::none:
      return ResolvedSecret{};
    case SecretReference::Kind::file:
      return from_file(reference, reference.name);
    case SecretReference::Kind::credential:
      return from_credential(reference, environment);
    case SecretReference::Kind::environment: {
      auto value = environment.get(reference.name);
      if (value) return finish(reference, *value);
      return secret_error(reference,
                          fmt::format("the environment variable {} is not set", reference.name),
                          fmt::format("set {}", reference.name));
    }
    case SecretReference::Kind::command: {
      auto output = run_secret_command(reference.command, timeout, secret_bytes_max);
      if (output) return finish(reference, *output);
      Error error = std::move(output).error();
      error.message = fmt::format("{} ({}) is not available: {}", reference.setting,
                                  reference.origin.place(), error.message);
      return error;
    }
  }
  return secret_error(reference, "unknown kind of reference", "");
}

}  // namespace sluice::cli
