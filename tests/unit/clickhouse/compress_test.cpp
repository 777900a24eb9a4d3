// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/compress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lz4frame.h>
#include <zstd.h>

#include <memory>
#include <string>
#include <vector>

namespace sluice::clickhouse {
namespace {

std::string unpack_lz4(std::string_view frame) {
  LZ4F_dctx* context = nullptr;
  EXPECT_EQ(LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)), 0U);
  std::string all;
  std::vector<char> buffer(1 << 20);
  size_t hint = 1;
  while (!frame.empty() && hint != 0) {
    size_t produced = buffer.size();
    size_t consumed = frame.size();
    hint = LZ4F_decompress(context, buffer.data(), &produced, frame.data(), &consumed, nullptr);
    EXPECT_EQ(LZ4F_isError(hint), 0U);
    if (LZ4F_isError(hint) != 0) break;
    all.append(buffer.data(), produced);
    frame.remove_prefix(consumed);
  }
  EXPECT_EQ(hint, 0U) << "the frame has an end";
  EXPECT_TRUE(frame.empty()) << "and nothing behind it";
  LZ4F_freeDecompressionContext(context);
  return all;
}

std::string unpack_zstd(std::string_view frame, size_t size) {
  std::string all(size + 1, '\0');
  const size_t count = ZSTD_decompress(all.data(), all.size(), frame.data(), frame.size());
  EXPECT_EQ(ZSTD_isError(count), 0U);
  all.resize(ZSTD_isError(count) != 0 ? 0 : count);
  return all;
}

/// Bodies of different shape: nothing, small pieces, one large one, what does not compress.
std::vector<std::vector<std::string>> bodies() {
  std::string noise;
  uint32_t state = 1;
  for (int index = 0; index < 3'000'000; ++index) {
    state = state * 1664525 + 1013904223;
    noise += static_cast<char>(state >> 24U);
  }
  std::vector<std::string> crumbs;
  for (int index = 0; index < 5000; ++index) crumbs.push_back(std::to_string(index));
  return {{}, {""}, {"a"}, crumbs, {noise}, {std::string(5'000'000, 'x'), "", noise, "end"}};
}

std::vector<std::string_view> views(const std::vector<std::string>& pieces) {
  return {pieces.begin(), pieces.end()};
}

std::string joined(const std::vector<std::string>& pieces) {
  std::string all;
  for (const std::string& piece : pieces) all += piece;
  return all;
}

TEST(CompressorTest, WhatGoesInComesOutBodyAfterBody) {
  Compressor lz4(Compression::lz4);
  Compressor zstd(Compression::zstd);
  for (int round = 0; round < 2; ++round) {
    for (const auto& body : bodies()) {
      EXPECT_TRUE(unpack_lz4(lz4.compress(views(body))) == joined(body));
      const std::string whole = joined(body);
      EXPECT_TRUE(unpack_zstd(zstd.compress(views(body)), whole.size()) == whole);
    }
  }
}

TEST(CompressorTest, TheSameBodyGivesTheSameBytes) {
  Compressor first(Compression::lz4);
  Compressor second(Compression::lz4);
  const auto all = bodies();
  static_cast<void>(first.compress(views(all[4])));
  EXPECT_TRUE(first.compress(views(all[3])) == second.compress(views(all[3])));
}

TEST(CompressorTest, NamesItsEncoding) {
  EXPECT_EQ(Compressor(Compression::lz4).encoding(), "lz4");
  EXPECT_EQ(Compressor(Compression::zstd).encoding(), "zstd");
  EXPECT_EQ(Compressor(Compression::none).encoding(), "");
}

TEST(CompressionTest, IsChosenByTheWay) {
  EXPECT_EQ(chosen_compression(Compression::automatic, true), Compression::none);
  EXPECT_EQ(chosen_compression(Compression::automatic, false), Compression::lz4);
  EXPECT_EQ(chosen_compression(Compression::zstd, true), Compression::zstd);
  EXPECT_EQ(chosen_compression(Compression::none, false), Compression::none);
}

}  // namespace
}  // namespace sluice::clickhouse
