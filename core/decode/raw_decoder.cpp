// SPDX-License-Identifier: Apache-2.0
#include "core/decode/fault.hpp"
#include "core/decode/gear.hpp"
#include "core/decode/metadata_columns.hpp"

namespace sluice {

namespace {

class RawDecoder final : public Decoder {
 public:
  RawDecoder(const BlockSchema& schema, const ColumnLayout& layout, const std::string& topic)
      : native_(schema.format() == InsertFormat::native), columns_(schema, layout, topic) {}

  [[nodiscard]] bool decode(const Record& record, Block& block) override {
    std::string members;
    const Fault fault = native_ ? columns_.append(record, block) : columns_.append(record, members);
    if (fault != Fault::none) {
      block.rollback_row();
      const TableColumn& column = columns_.fault_column();
      error_ = {reason_of(fault), column.name, describe(fault, column.type.name)};
      return false;
    }
    if (!native_) {
      members.replace(0, 1, "{");  // for the comma
      block.append_line(members + "}");
    }
    return true;
  }
  [[nodiscard]] const DecodeError& error() const override { return error_; }
  [[nodiscard]] std::vector<std::string> take_unknown_fields() override { return {}; }
  [[nodiscard]] uint64_t take_unknown_count() override { return 0; }

 private:
  bool native_;
  MetadataColumns columns_;
  DecodeError error_;
};

}  // namespace

std::unique_ptr<Decoder> make_raw_decoder(const BlockSchema& schema, const ColumnLayout& layout,
                                          const std::string& topic) {
  return std::make_unique<RawDecoder>(schema, layout, topic);
}

}  // namespace sluice
