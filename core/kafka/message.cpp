// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/message.hpp"

namespace sluice::kafka {
namespace {

// A null stays null: data() tells a tombstone from an empty value.
std::string_view view(const void* data, size_t size) {
  return data == nullptr ? std::string_view{}
                         : std::string_view(static_cast<const char*>(data), size);
}

}  // namespace

std::vector<Header> MessageHeaders::headers() const {
  std::vector<Header> out;
  rd_kafka_headers_t* list = nullptr;
  if (rd_kafka_message_headers(&message_, &list) != RD_KAFKA_RESP_ERR_NO_ERROR) return out;
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  for (size_t i = 0;
       rd_kafka_header_get_all(list, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
    out.push_back(
        {.name = name, .value = std::string(view(value, size)), .null_value = value == nullptr});
  }
  return out;
}

Record record_of(const rd_kafka_message_t& message, const HeaderSource& headers) {
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const int64_t timestamp = rd_kafka_message_timestamp(&message, &type);
  return {.partition = PartitionId{message.partition},
          .offset = Offset{message.offset},
          .timestamp_ms = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : timestamp,
          .key = view(message.key, message.key_len),
          .value = view(message.payload, message.len),
          .headers = &headers};
}

}  // namespace sluice::kafka
