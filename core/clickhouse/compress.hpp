// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/clickhouse/sink.hpp"

namespace sluice::clickhouse {

/// Compresses bodies, one after the other, into a buffer it keeps. Not thread-safe.
///
///   lz4   one frame of independent blocks of 256 KiB
///   zstd  one frame, level 1
class Compressor {
 public:
  /// `automatic` is not one of the ways: decide first with chosen_compression().
  explicit Compressor(Compression compression);
  ~Compressor();
  Compressor(Compressor&&) noexcept;
  Compressor& operator=(Compressor&&) noexcept;

  /// The value of Content-Encoding; empty for none.
  [[nodiscard]] std::string_view encoding() const;
  /// The pieces as one compressed body, valid until the next call. Not to be called for `none`.
  [[nodiscard]] std::string_view compress(std::span<const std::string_view> pieces);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// What `automatic` means: on loopback the time is lost, elsewhere lz4 costs nearly nothing.
[[nodiscard]] Compression chosen_compression(Compression wanted, bool loopback);

/// "zstd 1.5.4 · lz4 1.9.4"
[[nodiscard]] std::string compression_version_line();

}  // namespace sluice::clickhouse
