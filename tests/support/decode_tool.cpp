// SPDX-License-Identifier: Apache-2.0
//
// Decodes JSON lines as sluice does and writes the body of the INSERT, for the differential test.
//
//   decode_tool DESCRIBE.tsv TIME_ZONE GEAR REPORT.jsonl < LINES > BODY
//
// DESCRIBE.tsv is the answer of DESCRIBE TABLE in TabSeparatedRaw; GEAR is both or slow. The first
// line of the report tells the columns of the body, each other one what became of a line.

#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "core/block/block.hpp"
#include "core/decode/gear.hpp"

namespace {

sluice::DefaultKind default_kind(const std::string& text) {
  if (text == "DEFAULT") return sluice::DefaultKind::expression;
  if (text == "MATERIALIZED") return sluice::DefaultKind::materialized;
  if (text == "ALIAS") return sluice::DefaultKind::alias;
  if (text == "EPHEMERAL") return sluice::DefaultKind::ephemeral;
  return sluice::DefaultKind::none;
}

sluice::Table read_table(const char* path, const std::string& time_zone) {
  sluice::Table table;
  table.database = "t";
  table.name = "t";
  table.server_time_zone = time_zone;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string name;
    std::string type;
    std::string kind;
    std::string expression;
    std::getline(fields, name, '\t');
    std::getline(fields, type, '\t');
    std::getline(fields, kind, '\t');
    std::getline(fields, expression, '\t');
    auto parsed = sluice::parse_data_type(type);
    table.columns.push_back(
        {name, std::move(parsed).value(), default_kind(kind), std::move(expression)});
  }
  return table;
}

void report_columns(const sluice::BlockSchema& schema, const sluice::Insert& insert,
                    std::ostream& report) {
  auto columns = nlohmann::json::array();
  for (const sluice::InsertColumn& column : insert.columns) {
    std::string wire_type;
    for (const sluice::TableColumn& known : schema.columns()) {
      if (known.name == column.name) wire_type = known.type.wire_name();
    }
    columns.push_back({{"name", column.name},
                       {"type", column.type},
                       {"wire_type", wire_type},
                       {"flagged", column.flagged},
                       {"cast_type", column.cast_type},
                       {"default", column.default_expression}});
  }
  const bool native = insert.format == sluice::InsertFormat::native;
  report << nlohmann::json{{"columns", columns}, {"native", native}, {"rows", insert.rows}} << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const sluice::BlockSchema schema(read_table(argv[1], argv[2]));
  const auto gear = std::string(argv[3]) == "slow" ? sluice::Gear::slow : sluice::Gear::both;
  const auto decoder = sluice::make_json_decoder(schema, {}, gear);
  sluice::Block block(schema);
  std::vector<std::string> outcomes;
  int64_t offset = 0;
  for (std::string line; std::getline(std::cin, line); ++offset) {
    nlohmann::json outcome{{"ok", decoder->decode(line, block)}};
    if (outcome["ok"]) {
      block.end_row({offset});
    } else {
      const sluice::DecodeError& error = decoder->error();
      outcome["reason"] = sluice::to_string(error.reason);
      outcome["column"] = error.column;
      outcome["message"] = error.message;
    }
    outcomes.push_back(outcome.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  std::ofstream report(argv[4]);
  sluice::Insert insert;
  std::optional<sluice::InsertBody> body;
  if (block.rows() != 0) body.emplace(std::vector<const sluice::Block*>{&block}, insert);
  report_columns(schema, insert, report);
  for (const std::string& outcome : outcomes) report << outcome << '\n';
  for (const std::string_view piece : insert.pieces) {
    std::cout.write(piece.data(), static_cast<std::streamsize>(piece.size()));
  }
  return 0;
}
