// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/body_reader.hpp"

#include <algorithm>
#include <cstring>

namespace sluice::clickhouse {

BodyReader::BodyReader(std::span<const std::string_view> pieces) : pieces_(pieces) {
  for (const std::string_view piece : pieces) size_ += piece.size();
}

size_t BodyReader::read(char* target, size_t room) {
  size_t copied = 0;
  while (copied < room && piece_ < pieces_.size()) {
    const std::string_view rest = pieces_[piece_].substr(offset_);
    const size_t count = std::min(rest.size(), room - copied);
    if (count != 0) std::memcpy(target + copied, rest.data(), count);
    copied += count;
    offset_ += count;
    if (offset_ < pieces_[piece_].size()) break;
    ++piece_;
    offset_ = 0;
  }
  return copied;
}

bool BodyReader::seek(uint64_t position) {
  if (position > size_) return false;
  piece_ = 0;
  while (piece_ < pieces_.size() && position >= pieces_[piece_].size()) {
    position -= pieces_[piece_].size();
    ++piece_;
  }
  offset_ = static_cast<size_t>(position);
  return true;
}

}  // namespace sluice::clickhouse
