// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/groups.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <thread>

#include "core/base/text.hpp"
#include "core/kafka/client.hpp"
#include "core/kafka/errors.hpp"
#include "core/kafka/group_view.hpp"

namespace sluice::kafka {
namespace {

using AdminOptions = Handle<rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy>;
using AlterOffsets =
    Handle<rd_kafka_AlterConsumerGroupOffsets_t, rd_kafka_AlterConsumerGroupOffsets_destroy>;
using DeleteGroup = Handle<rd_kafka_DeleteGroup_t, rd_kafka_DeleteGroup_destroy>;
using ConfigResource = Handle<rd_kafka_ConfigResource_t, rd_kafka_ConfigResource_destroy>;

constexpr Milliseconds pause{50};
constexpr Milliseconds slice{100};  // after so long the client's own events are looked at
constexpr Milliseconds destroy_max{300};

TimePoint now() { return SystemClock().now(); }

Milliseconds until(TimePoint deadline) {
  return std::max(Milliseconds{0}, std::chrono::duration_cast<Milliseconds>(deadline - now()));
}

rd_kafka_resp_err_t code_of(const rd_kafka_error_t* error) {
  return error == nullptr ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_error_code(error);
}

std::string text_of(const char* text) { return text == nullptr ? "" : printable(text, 300); }

Error group_active(const std::string& group) {
  return {.code = Errc::unavailable,
          .slug = "kafka-group-active",
          .message = "consumer group " + printable(group, 200) + " is in use by a running process",
          .fix = "stop what reads as this group (sluice status tells which), then try again"};
}

bool says_active(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP || commit_verdict(code) == CommitVerdict::fenced;
}

GroupMember member_of(const rd_kafka_MemberDescription_t* described) {
  GroupMember member;
  member.client_id = text_of(rd_kafka_MemberDescription_client_id(described));
  member.host = text_of(rd_kafka_MemberDescription_host(described));
  if (member.host.starts_with('/')) member.host.erase(0, 1);  // as Java writes an address
  member.member_id = text_of(rd_kafka_MemberDescription_consumer_id(described));
  const rd_kafka_MemberAssignment_t* assignment = rd_kafka_MemberDescription_assignment(described);
  const rd_kafka_topic_partition_list_t* list =
      assignment == nullptr ? nullptr : rd_kafka_MemberAssignment_partitions(assignment);
  for (int i = 0; list != nullptr && i < list->cnt; ++i) {
    member.partitions.emplace_back(list->elems[i].topic, PartitionId{list->elems[i].partition});
  }
  std::sort(member.partitions.begin(), member.partitions.end());
  return member;
}

// The first error of the elements: the call's own says nothing about them.
rd_kafka_resp_err_t first_error(const rd_kafka_group_result_t& result) {
  const rd_kafka_resp_err_t code = code_of(rd_kafka_group_result_error(&result));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return code;
  const rd_kafka_topic_partition_list_t* list = rd_kafka_group_result_partitions(&result);
  for (int i = 0; list != nullptr && i < list->cnt; ++i) {
    if (list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR) return list->elems[i].err;
  }
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

}  // namespace

/// One request of the admin API: it is sent again as long as its answer is an error that passes.
struct GroupAdmin::Question {
  rd_kafka_admin_op_t operation;
  std::string what;  ///< for messages: "about consumer group x"
  Place place;
  std::function<void(const rd_kafka_AdminOptions_t*, rd_kafka_queue_t*)> send;
  /// Reads the answer; an error that concerns only a part of it counts for all.
  std::function<rd_kafka_resp_err_t(rd_kafka_event_t*)> take;
};

Result<GroupAdmin> GroupAdmin::open(const ClusterOptions& cluster) {
  TRY(check_cluster(cluster));
  GroupAdmin admin(cluster);
  TRY(admin.connect());
  return admin;
}

GroupAdmin::GroupAdmin(const ClusterOptions& cluster) : cluster_(cluster) {}

GroupAdmin::GroupAdmin(GroupAdmin&&) noexcept = default;

GroupAdmin::~GroupAdmin() { disconnect(); }

Result<void> GroupAdmin::connect() {
  if (client_ != nullptr) return {};
  Conf conf = TRY(make_conf(cluster_, Role::consumer, {}, {}));
  client_ = TRY(Client::open(Role::consumer, std::move(conf), cluster_, {}));
  return {};
}

void GroupAdmin::disconnect() {
  if (client_ != nullptr) client_->destroy(destroy_max);
  client_.reset();
}

Result<void> GroupAdmin::ask(const Question& question, Milliseconds timeout) {
  TRY(connect());
  bool pending = false;
  Result<void> answer = ask(question, timeout, pending);
  // A coordinator that is found after its question timed out makes librdkafka 2.0.2 use what the
  // question has freed, and abort (rd_kafka_admin_coord_request, rdkafka_admin.c): a client with
  // such a question must not live on.
  if (pending) disconnect();
  return answer;
}

Result<void> GroupAdmin::ask(const Question& question, Milliseconds timeout, bool& pending) {
  const TimePoint started = now();
  const TimePoint deadline = started + timeout;
  rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
  while (until(deadline).count() > 0) {
    const AdminOptions options(rd_kafka_AdminOptions_new(client_->get(), question.operation));
    std::array<char, 256> text{};
    rd_kafka_AdminOptions_set_request_timeout(options.get(), as_timeout(until(deadline)),
                                              text.data(), text.size());
    const QueueHandle queue(rd_kafka_queue_new(client_->get()));
    pending = true;
    question.send(options.get(), queue.get());
    EventHandle event;
    while (event == nullptr && until(deadline).count() > 0) {
      event.reset(rd_kafka_queue_poll(queue.get(), as_timeout(std::min(slice, until(deadline)))));
      client_->serve(Milliseconds{0});
      if (client_->failure()) return *client_->failure();
      if (auto refusal = client_->health().refusal(now())) return *std::move(refusal);
    }
    if (event == nullptr) break;
    code = rd_kafka_event_error(event.get());
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = question.take(event.get());
    if (code == RD_KAFKA_RESP_ERR__TIMED_OUT) break;
    pending = false;
    const bool from_broker = code >= RD_KAFKA_RESP_ERR_NO_ERROR;  // else librdkafka's own
    if (from_broker) client_->health().note_answer(now());
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
    if (auto refusal = refusal_of(code, question.place)) return *std::move(refusal);
    if (says_active(code)) return group_active(question.place.group);
    if (is_unknown_topic(code)) return topic_missing(question.place.topic, {});
    if (code == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE) {
      return commit_error(code, question.place);
    }
    if (!is_transient(code)) break;
    std::this_thread::sleep_for(std::min(pause, until(deadline)));
  }
  if (is_transient(code) && client_->health().last_answer() <= started) {
    return client_->health().unreachable(timeout);
  }
  return Error{
      .code = is_transient(code) ? Errc::unavailable : Errc::failed,
      .slug = "kafka-lookup-failed",
      .message = fmt::format("Kafka could not be asked {}: {}", question.what, reason_of(code)),
      .fix = "see the log with -vv"};
}

Result<std::vector<std::string>> GroupAdmin::list(std::string_view prefix, Milliseconds timeout) {
  std::vector<std::string> groups;
  TRY(ask(
      {.operation = RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS,
       .what = "which consumer groups there are",
       .place = {.topic = {}, .group = std::string(prefix) + "*"},
       .send = [&](const auto* options,
                   auto* queue) { rd_kafka_ListConsumerGroups(client_->get(), options, queue); },
       .take =
           [&](rd_kafka_event_t* event) {
             const auto* result = rd_kafka_event_ListConsumerGroups_result(event);
             size_t count = 0;
             const auto* errors = rd_kafka_ListConsumerGroups_result_errors(result, &count);
             if (count > 0) return code_of(errors[0]);
             const auto* valid = rd_kafka_ListConsumerGroups_result_valid(result, &count);
             groups.clear();
             for (size_t i = 0; i < count; ++i) {
               std::string id = rd_kafka_ConsumerGroupListing_group_id(valid[i]);
               if (id.starts_with(prefix)) groups.push_back(std::move(id));
             }
             return RD_KAFKA_RESP_ERR_NO_ERROR;
           }},
      timeout));
  // Two brokers may both name a group whose coordinator is moving.
  std::sort(groups.begin(), groups.end());
  groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
  return groups;
}

Result<GroupDescription> GroupAdmin::describe(const std::string& group, Milliseconds timeout) {
  GroupDescription description{.id = group, .state = "Dead", .members = {}};
  std::array<const char*, 1> ids = {group.c_str()};
  TRY(ask({.operation = RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS,
           .what = "about consumer group " + printable(group, 200),
           .place = {.topic = {}, .group = group},
           .send =
               [&](const auto* options, auto* queue) {
                 rd_kafka_DescribeConsumerGroups(client_->get(), ids.data(), ids.size(), options,
                                                 queue);
               },
           .take =
               [&](rd_kafka_event_t* event) {
                 size_t count = 0;
                 const auto* groups = rd_kafka_DescribeConsumerGroups_result_groups(
                     rd_kafka_event_DescribeConsumerGroups_result(event), &count);
                 if (count != 1) return RD_KAFKA_RESP_ERR__BAD_MSG;
                 const auto code = code_of(rd_kafka_ConsumerGroupDescription_error(groups[0]));
                 if (code == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) {
                   return RD_KAFKA_RESP_ERR_NO_ERROR;
                 }
                 if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return code;
                 description.state = rd_kafka_consumer_group_state_name(
                     rd_kafka_ConsumerGroupDescription_state(groups[0]));
                 const size_t members = rd_kafka_ConsumerGroupDescription_member_count(groups[0]);
                 for (size_t i = 0; i < members; ++i) {
                   description.members.push_back(
                       member_of(rd_kafka_ConsumerGroupDescription_member(groups[0], i)));
                 }
                 return RD_KAFKA_RESP_ERR_NO_ERROR;
               }},
          timeout));
  return description;
}

Result<std::map<PartitionId, Committed>> GroupAdmin::offsets(const std::string& group,
                                                             const std::string& topic,
                                                             Milliseconds timeout) {
  const TimePoint deadline = now() + timeout;
  GroupView view = TRY(GroupView::open(cluster_, group));
  const auto partitions = TRY(view.partitions(topic, timeout));
  return view.committed(topic, partitions, until(deadline));
}

Result<void> GroupAdmin::set_offsets(const std::string& group, const std::string& topic,
                                     const std::map<PartitionId, Committed>& offsets,
                                     Milliseconds timeout) {
  if (offsets.empty()) return {};
  const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
  for (const auto& [partition, committed] : offsets) {
    add_offset(*list, topic, partition, committed.offset, committed.metadata);
  }
  const AlterOffsets alter(rd_kafka_AlterConsumerGroupOffsets_new(group.c_str(), list.get()));
  rd_kafka_AlterConsumerGroupOffsets_t* alters = alter.get();
  const Place place{.topic = topic, .group = group};
  return ask({.operation = RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS,
              .what = "to commit offsets of consumer group " + printable(group, 200),
              .place = place,
              .send =
                  [&](const auto* options, auto* queue) {
                    rd_kafka_AlterConsumerGroupOffsets(client_->get(), &alters, 1, options, queue);
                  },
              .take =
                  [&](rd_kafka_event_t* event) {
                    size_t count = 0;
                    const auto* groups = rd_kafka_AlterConsumerGroupOffsets_result_groups(
                        rd_kafka_event_AlterConsumerGroupOffsets_result(event), &count);
                    return count == 1 ? first_error(*groups[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;
                  }},
             timeout);
}

Result<void> GroupAdmin::remove(const std::string& group, Milliseconds timeout) {
  const DeleteGroup removal(rd_kafka_DeleteGroup_new(group.c_str()));
  rd_kafka_DeleteGroup_t* removals = removal.get();
  return ask({.operation = RD_KAFKA_ADMIN_OP_DELETEGROUPS,
              .what = "to delete consumer group " + printable(group, 200),
              .place = {.topic = {}, .group = group},
              .send =
                  [&](const auto* options, auto* queue) {
                    rd_kafka_DeleteGroups(client_->get(), &removals, 1, options, queue);
                  },
              .take =
                  [&](rd_kafka_event_t* event) {
                    size_t count = 0;
                    const auto* groups = rd_kafka_DeleteGroups_result_groups(
                        rd_kafka_event_DeleteGroups_result(event), &count);
                    if (count != 1) return RD_KAFKA_RESP_ERR__BAD_MSG;
                    const auto code = first_error(*groups[0]);
                    return code == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND ? RD_KAFKA_RESP_ERR_NO_ERROR
                                                                        : code;
                  }},
             timeout);
}

Result<std::string> GroupAdmin::config(Resource type, const std::string& resource,
                                       const std::string& name, Milliseconds timeout) {
  const bool of_topic = type == Resource::topic;
  const ConfigResource wanted(rd_kafka_ConfigResource_new(
      of_topic ? RD_KAFKA_RESOURCE_TOPIC : RD_KAFKA_RESOURCE_BROKER, resource.c_str()));
  rd_kafka_ConfigResource_t* resources = wanted.get();
  const std::string of = of_topic ? "topic " + printable(resource, 200) : "broker " + resource;
  std::string value;
  bool found = false;
  TRY(ask({.operation = RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
           .what = fmt::format("for {} of {}", name, of),
           .place = {.topic = of_topic ? resource : "", .group = {}},
           .send =
               [&](const auto* options, auto* queue) {
                 rd_kafka_DescribeConfigs(client_->get(), &resources, 1, options, queue);
               },
           .take =
               [&](rd_kafka_event_t* event) {
                 size_t count = 0;
                 const auto* answered = rd_kafka_DescribeConfigs_result_resources(
                     rd_kafka_event_DescribeConfigs_result(event), &count);
                 if (count != 1) return RD_KAFKA_RESP_ERR__BAD_MSG;
                 const auto code = rd_kafka_ConfigResource_error(answered[0]);
                 if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return code;
                 const auto* entries = rd_kafka_ConfigResource_configs(answered[0], &count);
                 for (size_t i = 0; i < count; ++i) {
                   if (name != rd_kafka_ConfigEntry_name(entries[i])) continue;
                   const char* text = rd_kafka_ConfigEntry_value(entries[i]);
                   found = text != nullptr;
                   value = text_of(text);
                 }
                 return RD_KAFKA_RESP_ERR_NO_ERROR;
               }},
          timeout));
  if (found) return value;
  return Error{.code = Errc::failed,
               .slug = "kafka-lookup-failed",
               .message = fmt::format("Kafka does not tell {} of {}", name, of),
               .fix = ""};
}

Result<std::string> GroupAdmin::topic_config(const std::string& topic, const std::string& name,
                                             Milliseconds timeout) {
  return config(Resource::topic, topic, name, timeout);
}

Result<Milliseconds> GroupAdmin::offsets_retention(Milliseconds timeout) {
  const TimePoint deadline = now() + timeout;
  TRY(connect());
  const int32_t broker = rd_kafka_controllerid(client_->get(), as_timeout(timeout));
  client_->serve(Milliseconds{0});
  if (broker < 0) return client_->health().unreachable(timeout);
  const std::string text = TRY(config(Resource::broker, std::to_string(broker),
                                      "offsets.retention.minutes", until(deadline)));
  int64_t minutes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), minutes);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return Error{.code = Errc::failed,
                 .slug = "kafka-lookup-failed",
                 .message = "the broker's offsets.retention.minutes is no number: " + text,
                 .fix = ""};
  }
  return std::chrono::duration_cast<Milliseconds>(std::chrono::minutes{minutes});
}

}  // namespace sluice::kafka
