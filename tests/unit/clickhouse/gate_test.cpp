// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/gate.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace sluice::clickhouse {
namespace {

const std::stop_token never;

/// A clock that stands still: whether the gate is open is decided without waiting.
class StoppedClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override { return now_; }
  [[nodiscard]] WallTime wall() const override { return {}; }
  void pass(Milliseconds duration) { now_ += duration; }

 private:
  TimePoint now_ = TimePoint{} + std::chrono::hours(1);
};

/// Whether one more gets the right to send within `patience`.
bool enters(Gate& gate, Milliseconds patience, TimePoint not_before) {
  std::stop_source stop;
  std::atomic<bool> entered = false;
  std::thread sender([&] { entered = gate.enter(not_before, stop.get_token()); });
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!entered && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  stop.request_stop();
  sender.join();
  return entered;
}

bool is_open(Gate& gate, TimePoint not_before = {}) {
  return enters(gate, Milliseconds{30'000}, not_before);
}

bool is_closed(Gate& gate, TimePoint not_before = {}) {
  return !enters(gate, Milliseconds{30}, not_before);
}

TEST(GateTest, LetsEverybodyThroughWhileAllIsWell) {
  StoppedClock clock;
  Gate gate(3, clock);
  EXPECT_TRUE(is_open(gate));
  EXPECT_TRUE(is_open(gate));
  EXPECT_TRUE(is_open(gate));
  EXPECT_TRUE(is_closed(gate)) << "there are only three senders";
  gate.leave(Health::good, Milliseconds{0});
  EXPECT_TRUE(is_open(gate));
}

TEST(GateTest, LetsOneTrialThroughAfterTheWaitOfAFailure) {
  StoppedClock clock;
  Gate gate(3, clock);
  ASSERT_TRUE(is_open(gate));
  gate.leave(Health::failing, Milliseconds{500});
  EXPECT_TRUE(is_closed(gate));
  clock.pass(Milliseconds{500});
  EXPECT_TRUE(is_open(gate));
  EXPECT_TRUE(is_closed(gate)) << "one trial at a time";
  gate.leave(Health::failing, Milliseconds{1000});
  EXPECT_TRUE(is_closed(gate));
}

TEST(GateTest, LetsEverybodyThroughAfterOneSuccess) {
  StoppedClock clock;
  Gate gate(3, clock);
  ASSERT_TRUE(is_open(gate));
  ASSERT_TRUE(is_open(gate));
  gate.leave(Health::failing, Milliseconds{60'000});
  gate.leave(Health::good, Milliseconds{0});
  EXPECT_TRUE(is_open(gate)) << "without waiting for the end of the minute";
  EXPECT_TRUE(is_open(gate));
  EXPECT_TRUE(is_open(gate));
}

TEST(GateTest, AnOverloadedServerGetsItsSendersBackOneByOne) {
  StoppedClock clock;
  Gate gate(4, clock);
  ASSERT_TRUE(is_open(gate));
  gate.leave(Health::overloaded, Milliseconds{0});
  ASSERT_TRUE(is_open(gate));
  EXPECT_TRUE(is_closed(gate));
  gate.leave(Health::good, Milliseconds{0});
  ASSERT_TRUE(is_open(gate));
  ASSERT_TRUE(is_open(gate));
  EXPECT_TRUE(is_closed(gate)) << "two after one success";
  gate.leave(Health::good, Milliseconds{0});
  ASSERT_TRUE(is_open(gate));
  ASSERT_TRUE(is_open(gate));
  EXPECT_TRUE(is_closed(gate)) << "three after two";
}

TEST(GateTest, WhoHasAWaitOfItsOwnKeepsIt) {
  StoppedClock clock;
  Gate gate(2, clock);
  EXPECT_TRUE(is_closed(gate, clock.now() + Milliseconds{100}));
  EXPECT_TRUE(is_open(gate));
}

TEST(GateTest, AStopEndsTheWait) {
  const SystemClock clock;
  Gate gate(1, clock);
  ASSERT_TRUE(gate.enter({}, never));
  gate.leave(Health::failing, Milliseconds{60'000});
  std::stop_source stop;
  std::jthread sender([&] { EXPECT_FALSE(gate.enter({}, stop.get_token())); });
  stop.request_stop();
}

TEST(GateTest, ClosedAndFullItStillOpensInTime) {
  const SystemClock clock;
  Gate gate(2, clock);
  ASSERT_TRUE(gate.enter({}, never));
  ASSERT_TRUE(gate.enter({}, never));
  std::atomic<bool> entered = false;
  std::jthread waiting([&] { entered = gate.enter({}, never); });
  gate.leave(Health::failing, Milliseconds{50});
  gate.leave(Health::failing, Milliseconds{20});
  waiting.join();
  EXPECT_TRUE(entered);
}

TEST(GateTest, NeverLetsMoreThroughThanItSays) {
  const SystemClock clock;
  Gate gate(8, clock);
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  std::vector<std::jthread> senders;
  for (int number = 0; number < 8; ++number) {
    senders.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        ASSERT_TRUE(gate.enter({}, never));
        const int now = ++inside;
        int seen = most;
        while (seen < now && !most.compare_exchange_weak(seen, now)) {
        }
        --inside;
        const bool fails = round % 7 == 0;
        gate.leave(fails ? Health::overloaded : Health::good, Milliseconds{fails ? 1 : 0});
      }
    });
  }
  senders.clear();
  EXPECT_LE(most, 8);
  EXPECT_EQ(inside, 0);
}

}  // namespace
}  // namespace sluice::clickhouse
