// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer: no answer of a server makes the reply parser crash, none that is not a clean 200
// passes for success, and what is told of it is one printable line.
//
//   answer := header line… "\n" body     (as it arrives, "HTTP/1.1 200 OK" first)

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/check.hpp"
#include "core/clickhouse/exception.hpp"
#include "core/clickhouse/http_headers.hpp"
#include "core/clickhouse/reply.hpp"
#include "core/clickhouse/tsv.hpp"

namespace {

using namespace sluice;
using namespace sluice::clickhouse;

Insert make_insert() {
  Insert insert;
  insert.rows = 100;
  insert.columns.push_back({"a", "UInt8", false, "", ""});
  insert.columns.push_back({"b", "String", true, "'x'", ""});
  return insert;
}

HttpReply read_reply(std::string_view text) {
  HttpReply reply;
  HeaderReader headers(reply);
  while (!headers.finished()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos || !headers.add(text.substr(0, end + 1))) break;
    text.remove_prefix(end + 1);
  }
  reply.body_sent = true;
  reply.complete = headers.finished() && headers.framed();
  reply.body = text;
  return reply;
}

bool is_one_line(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Insert insert = make_insert();
  static const Target target{"http://localhost:8123", "shop.orders", "loader"};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const HttpReply reply = read_reply(text);
  const Verdict verdict = judge_insert(reply, insert, target);
  if (verdict.attempt.kind == AttemptClass::success) {
    CHECK(reply.status == 200 && reply.complete && reply.body.empty());
    CHECK(reply.exception_code.empty());
  } else {
    CHECK(is_one_line(verdict.error.message) && !verdict.error.message.empty());
  }
  CHECK(!verdict.row || *verdict.row < insert.rows);
  (void)judge_query(reply, "answer", target);
  if (const auto exception = find_exception(reply)) {
    const auto row = blamed_row(*exception, insert);
    CHECK(!row || *row < insert.rows);
    const std::string column = blamed_column(*exception, insert);
    CHECK(column.empty() || column == "a" || column == "b");
    (void)failing_view(*exception);
    for (const TextPolicy policy : {TextPolicy::shown, TextPolicy::masked, TextPolicy::withheld}) {
      CHECK(is_one_line(presentable(*exception, policy)));
    }
  }
  for (const TsvRow& row : parse_tsv(text)) CHECK(!row.empty());
  return 0;
}
