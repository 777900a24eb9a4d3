// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cli/file.hpp"
#include "core/base/result.hpp"

namespace sluice::cli {

/// Keeps two syncs of one pipeline apart on one machine: cron starts the next while the last still
/// runs. A lock on a file, which the kernel drops with the process that holds it; the file stays.
class PipelineLock {
 public:
  /// Tries once. The lock is that of a group of a cluster, in `folder`, which is made when it is
  /// missing. Errc::io when there can be no such file.
  [[nodiscard]] static Result<PipelineLock> take(const std::string& folder,
                                                 const std::string& brokers,
                                                 const std::string& group);

  [[nodiscard]] bool held() const { return file_.open(); }
  /// Of the process that holds it instead, as far as is known; may be empty.
  [[nodiscard]] const std::string& holder() const { return holder_; }

 private:
  FileDescriptor file_;
  std::string holder_;
};

}  // namespace sluice::cli
