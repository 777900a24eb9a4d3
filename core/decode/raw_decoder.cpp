// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <utility>

#include "core/decode/decoder.hpp"

namespace sluice {

namespace {

bool takes_text(const DataType& type) {
  const bool wrapped = type.kind == TypeKind::nullable || type.kind == TypeKind::low_cardinality;
  return wrapped ? takes_text(type.elements.front()) : type.kind == TypeKind::string;
}

class RawDecoder final : public Decoder {
 public:
  [[nodiscard]] bool decode(std::string_view value, Block& block) override {
    block.column(0).append_string(value);
    return true;
  }
  [[nodiscard]] const DecodeError& error() const override { return error_; }
  [[nodiscard]] std::vector<std::string> take_unknown_fields() override { return {}; }

 private:
  DecodeError error_;
};

}  // namespace

Result<Table> raw_table(Table table) {
  std::vector<TableColumn> takers;
  std::string names;
  for (TableColumn& column : table.columns) {
    if (column.default_kind != DefaultKind::none || !takes_text(column.type)) continue;
    names += (names.empty() ? "" : ", ") + column.name;
    takers.push_back(std::move(column));
  }
  if (takers.size() != 1) {
    return Error{Errc::config, "raw-column",
                 fmt::format("format raw needs a table with exactly one String column without a "
                             "DEFAULT; {} has {}",
                             table.full_name(), takers.empty() ? "none" : names),
                 takers.empty() ? "add a column of type String to the table, or use format json"
                                : "give the others a DEFAULT (DEFAULT '' will do)"};
  }
  table.columns = std::move(takers);
  return table;
}

std::unique_ptr<Decoder> make_raw_decoder() { return std::make_unique<RawDecoder>(); }

}  // namespace sluice
