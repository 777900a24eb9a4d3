// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/compress.hpp"

#include <lz4.h>
#include <lz4frame.h>
#include <zstd.h>

#include <algorithm>

#include "core/base/check.hpp"
#include "core/base/handle.hpp"

namespace sluice::clickhouse {
namespace {

using Lz4Context = Handle<LZ4F_cctx, LZ4F_freeCompressionContext>;
using ZstdContext = Handle<ZSTD_CCtx, ZSTD_freeCCtx>;

constexpr size_t lz4_chunk_bytes = 256ull << 10;  // of one call: one block of the frame
constexpr int zstd_level = 1;

LZ4F_preferences_t lz4_preferences() {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockSizeID = LZ4F_max256KB;
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  return preferences;
}

/// Bytes with room for more. Filling what is new with zeros costs only once, since the memory is
/// kept from body to body.
class Output {
 public:
  char* reserve(size_t count) {
    if (bytes_.size() - used_ < count) bytes_.resize(std::max(used_ + count, bytes_.size() * 2));
    return bytes_.data() + used_;
  }
  [[nodiscard]] size_t room() const { return bytes_.size() - used_; }
  void add(size_t count) { used_ += count; }
  void clear() { used_ = 0; }
  [[nodiscard]] std::string_view view() const { return {bytes_.data(), used_}; }

 private:
  std::string bytes_;
  size_t used_ = 0;
};

}  // namespace

struct Compressor::State {
  Compression compression;
  Lz4Context lz4;
  ZstdContext zstd;
  Output output;

  void add_lz4(std::span<const std::string_view> pieces);
  void add_lz4_piece(std::string_view piece, const LZ4F_preferences_t& preferences);
  void add_zstd(std::span<const std::string_view> pieces);
  size_t add_zstd_step(ZSTD_inBuffer& input, ZSTD_EndDirective directive);
};

Compressor::Compressor(Compression compression) : state_(std::make_unique<State>()) {
  CHECK(compression != Compression::automatic);
  state_->compression = compression;
  if (compression == Compression::lz4) {
    LZ4F_cctx* context = nullptr;
    CHECK(LZ4F_isError(LZ4F_createCompressionContext(&context, LZ4F_VERSION)) == 0);
    state_->lz4.reset(context);
  }
  if (compression == Compression::zstd) {
    state_->zstd.reset(ZSTD_createCCtx());
    CHECK(state_->zstd != nullptr);
    const size_t code =
        ZSTD_CCtx_setParameter(state_->zstd.get(), ZSTD_c_compressionLevel, zstd_level);
    CHECK(ZSTD_isError(code) == 0);
  }
}

Compressor::~Compressor() = default;
Compressor::Compressor(Compressor&&) noexcept = default;
Compressor& Compressor::operator=(Compressor&&) noexcept = default;

std::string_view Compressor::encoding() const {
  switch (state_->compression) {
    case Compression::lz4:
      return "lz4";
    case Compression::zstd:
      return "zstd";
    case Compression::automatic:
    case Compression::none:
      break;
  }
  return {};
}

std::string_view Compressor::compress(std::span<const std::string_view> pieces) {
  CHECK(state_->compression != Compression::none);
  state_->output.clear();
  if (state_->compression == Compression::lz4) {
    state_->add_lz4(pieces);
  } else {
    state_->add_zstd(pieces);
  }
  return state_->output.view();
}

void Compressor::State::add_lz4(std::span<const std::string_view> pieces) {
  const LZ4F_preferences_t preferences = lz4_preferences();
  char* const begin = output.reserve(LZ4F_HEADER_SIZE_MAX);
  const size_t header = LZ4F_compressBegin(lz4.get(), begin, output.room(), &preferences);
  CHECK(LZ4F_isError(header) == 0);
  output.add(header);
  for (const std::string_view piece : pieces) add_lz4_piece(piece, preferences);
  char* const end = output.reserve(LZ4F_compressBound(0, &preferences));
  const size_t footer = LZ4F_compressEnd(lz4.get(), end, output.room(), nullptr);
  CHECK(LZ4F_isError(footer) == 0);
  output.add(footer);
}

void Compressor::State::add_lz4_piece(std::string_view piece,
                                      const LZ4F_preferences_t& preferences) {
  while (!piece.empty()) {
    const std::string_view chunk = piece.substr(0, lz4_chunk_bytes);
    char* const target = output.reserve(LZ4F_compressBound(chunk.size(), &preferences));
    const size_t count =
        LZ4F_compressUpdate(lz4.get(), target, output.room(), chunk.data(), chunk.size(), nullptr);
    CHECK(LZ4F_isError(count) == 0);
    output.add(count);
    piece.remove_prefix(chunk.size());
  }
}

void Compressor::State::add_zstd(std::span<const std::string_view> pieces) {
  CHECK(ZSTD_isError(ZSTD_CCtx_reset(zstd.get(), ZSTD_reset_session_only)) == 0);
  for (const std::string_view piece : pieces) {
    ZSTD_inBuffer input{piece.data(), piece.size(), 0};
    while (input.pos < input.size) add_zstd_step(input, ZSTD_e_continue);
  }
  ZSTD_inBuffer nothing{nullptr, 0, 0};
  while (add_zstd_step(nothing, ZSTD_e_end) != 0) {
  }
}

size_t Compressor::State::add_zstd_step(ZSTD_inBuffer& input, ZSTD_EndDirective directive) {
  char* const target = output.reserve(ZSTD_CStreamOutSize());
  ZSTD_outBuffer room{target, output.room(), 0};
  const size_t left = ZSTD_compressStream2(zstd.get(), &room, &input, directive);
  CHECK(ZSTD_isError(left) == 0);
  output.add(room.pos);
  return left;
}

Compression chosen_compression(Compression wanted, bool loopback) {
  if (wanted != Compression::automatic) return wanted;
  return loopback ? Compression::none : Compression::lz4;
}

std::string compression_version_line() {
  return std::string("zstd ") + ZSTD_versionString() + " · lz4 " + LZ4_versionString();
}

}  // namespace sluice::clickhouse
