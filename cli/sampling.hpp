// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

/// What a table for some records would look like. Pure: the server's part is to infer the type of
/// each field's values.
namespace sluice::cli {

/// One top-level field, in all records that were sampled.
struct SampledField {
  std::string name;
  uint64_t seen = 0;                      ///< records that have it
  uint64_t nulls = 0;                     ///< of these
  bool uneven = false;                    ///< null or missing somewhere inside of it
  bool beyond_integers = false;           ///< a whole number of more than 64 bits
  bool all_texts = true;                  ///< but for nulls
  std::set<std::string> texts;            ///< distinct ones, up to a limit
  std::set<std::string> values;           ///< distinct values as JSON, up to a limit
  size_t value_bytes = 0;                 ///< of these
  std::map<std::string, uint64_t> paths;  ///< inside of it, how often each was seen
};

/// The fields of JSON records, in the order in which they were first seen.
class Sample {
 public:
  void add(std::string_view record);

  [[nodiscard]] uint64_t records() const { return records_; }
  [[nodiscard]] uint64_t unreadable() const { return unreadable_; }  ///< no JSON objects
  [[nodiscard]] const std::vector<SampledField>& fields() const { return fields_; }
  [[nodiscard]] const std::vector<std::string>& values() const { return values_; }

 private:
  std::vector<SampledField> fields_;
  std::map<std::string, size_t, std::less<>> index_;
  std::vector<std::string> values_;  ///< the records
  uint64_t records_ = 0;
  uint64_t unreadable_ = 0;
};

struct ProposedColumn {
  std::string name;
  std::string type;
  bool nullable = false;  ///< only said here for a plain type; inside of others it is in `type`

  /// With Nullable where it belongs: LowCardinality(Nullable(String)).
  [[nodiscard]] std::string full_type() const;
};

/// The column for a field whose type the server infers so; an empty type is one it cannot tell.
[[nodiscard]] ProposedColumn propose_column(const SampledField& field, std::string inferred,
                                            uint64_t records);

/// A CREATE TABLE, without a semicolon: the columns, provenance columns, ORDER BY.
[[nodiscard]] std::string create_statement(const std::string& database, const std::string& table,
                                           const std::vector<ProposedColumn>& columns);

/// Makes columns String until all records fit that can fit.
void widen_until_records_fit(const Sample& sample, std::vector<ProposedColumn>& columns);

}  // namespace sluice::cli
