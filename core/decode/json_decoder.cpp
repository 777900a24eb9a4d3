// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>

#include "core/decode/decoder.hpp"
#include "core/decode/fault.hpp"
#include "core/decode/field_names.hpp"
#include "core/decode/gear.hpp"
#include "core/decode/json_text.hpp"
#include "core/decode/object_reader.hpp"
#include "core/decode/scanner.hpp"
#include "core/decode/value_plan.hpp"

namespace sluice {

namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// Says when the fast gear is worth trying: after misses in a row it is left alone, longer each
/// time, so that records it never takes do not pay for it.
class Trial {
 public:
  bool worth_it() {
    if (pause_ == 0) return true;
    --pause_;
    return false;
  }
  void hit() { misses_ = 0; }
  void missed() {
    if (misses_ < misses_max) ++misses_;
    if (misses_ > misses_free) pause_ = 1U << (misses_ - misses_free);
  }

 private:
  static constexpr uint32_t misses_free = 3;
  static constexpr uint32_t misses_max = misses_free + 10;
  uint32_t misses_ = 0;
  uint32_t pause_ = 0;
};

DecodeOptions limited(DecodeOptions options) {
  constexpr uint32_t depth_limit = 1000;  // ClickHouse's own; the slow gear recurses
  options.depth_max = std::min(options.depth_max, depth_limit);
  return options;
}

class JsonDecoder final : public Decoder {
 public:
  JsonDecoder(const BlockSchema& schema, const DecodeOptions& options, Gear gear)
      : options_(limited(options)),
        native_(schema.format() == InsertFormat::native),
        gear_(gear),
        plan_(schema),
        reader_(plan_, options_, unknown_),
        scanner_(plan_, options_, unknown_, reader_) {}

  [[nodiscard]] bool decode(std::string_view value, Block& block) override {
    const std::string_view text = padded(value);
    if (!native_) return append_line(text, block);
    if (gear_ != Gear::slow && scan(text, block)) return true;
    if (gear_ == Gear::fast) return failed(Fault::not_json);
    const Fault fault = reader_.read(text, block);
    if (fault == Fault::none) return true;
    block.rollback_row();
    return failed(fault);
  }

  [[nodiscard]] const DecodeError& error() const override { return error_; }

  [[nodiscard]] std::vector<std::string> take_unknown_fields() override {
    return unknown_.take_new();
  }

 private:
  /// A copy that text_padding zero bytes follow; both gears look ahead.
  std::string_view padded(std::string_view value) {
    if (value.starts_with(byte_order_mark)) value.remove_prefix(byte_order_mark.size());
    if (scratch_.size() < value.size() + text_padding) {
      scratch_.resize(2 * (value.size() + text_padding));
    }
    if (!value.empty()) std::memcpy(scratch_.data(), value.data(), value.size());
    std::memset(scratch_.data() + value.size(), 0, text_padding);
    return {scratch_.data(), value.size()};
  }

  bool scan(std::string_view text, Block& block) {
    if (!trial_.worth_it()) return false;
    if (scanner_.scan(text, block)) {
      trial_.hit();
      return true;
    }
    trial_.missed();
    block.rollback_row();
    return false;
  }

  bool append_line(std::string_view text, Block& block) {
    const Fault fault = reader_.check(text);
    if (fault != Fault::none) return failed(fault);
    // Strings cannot hold line breaks, so these are white space between values.
    std::replace(scratch_.begin(), scratch_.begin() + static_cast<ptrdiff_t>(text.size()), '\n',
                 ' ');
    block.append_line(text);
    return true;
  }

  bool failed(Fault fault) {
    error_.reason = reason_of(fault);
    error_.column = reader_.fault_name();
    error_.message = describe(fault, reader_.fault_type());
    return false;
  }

  DecodeOptions options_;
  bool native_;
  Gear gear_;
  RowPlan plan_;
  UnknownFieldNames unknown_;
  ObjectReader reader_;
  Scanner scanner_;
  Trial trial_;
  std::string scratch_;
  DecodeError error_;
};

}  // namespace

std::unique_ptr<Decoder> make_json_decoder(const BlockSchema& schema,
                                           const DecodeOptions& options) {
  return make_json_decoder(schema, options, Gear::both);
}

std::unique_ptr<Decoder> make_json_decoder(const BlockSchema& schema, const DecodeOptions& options,
                                           Gear gear) {
  return std::make_unique<JsonDecoder>(schema, options, gear);
}

}  // namespace sluice
