// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/text.hpp"

namespace sluice::cli {
namespace {

constexpr size_t bar_columns_max = 26;
constexpr size_t bar_columns_min = 8;
constexpr double smoothing_seconds = 2.0;
constexpr std::string_view bar_color = "\x1b[36m";
constexpr std::string_view done_color = "\x1b[32m";
constexpr std::string_view failed_color = "\x1b[31m";
constexpr std::string_view dim_color = "\x1b[2m";
constexpr std::string_view no_color = "\x1b[0m";

std::string repeat(std::string_view piece, size_t count) {
  std::string out;
  for (size_t index = 0; index < count; ++index) out += piece;
  return out;
}

std::string bar(const ProgressView& view, size_t columns, const BarStyle& style) {
  const size_t filled = columns * view.percent() / 100;
  const size_t head = filled < columns && filled > 0 ? 1 : 0;
  const size_t rest = columns - filled - head;
  if (!style.unicode) return "[" + repeat("#", filled + head) + repeat(".", rest) + "]";
  if (!style.color) return repeat("━", filled) + repeat("╸", head) + repeat("─", rest);
  const std::string_view color = view.phase == Phase::failed ? failed_color
                                 : view.phase == Phase::done ? done_color
                                                             : bar_color;
  return fmt::format("{}{}{}{}{}{}{}", color, repeat("━", filled), repeat("╸", head), no_color,
                     dim_color, repeat("━", rest), no_color);
}

std::string rates(const ProgressView& view) {
  return fmt::format("{} rows/s  {}/s", short_count(view.rows_per_second),
                     short_bytes(view.bytes_per_second));
}

std::string endless_tail(const ProgressView& view) {
  switch (view.phase) {
    case Phase::waiting:
    case Phase::starting:
      return "  connecting";
    case Phase::done:
    case Phase::stopped:
      return fmt::format("  stopped: {} in {}", counted(view.read, "record"),
                         short_duration(view.duration));
    case Phase::failed:
      return fmt::format("  failed after {}", short_duration(view.duration));
    case Phase::running:
      break;
  }
  return fmt::format("  {}  lag {}  rejected {}", rates(view), grouped(view.lag()),
                     grouped(view.rejected));
}

std::string bar_tail(const ProgressView& view) {
  if (view.endless) return endless_tail(view);
  const std::string counts = fmt::format("{:>4}  {}/{}", fmt::format("{}%", view.percent()),
                                         short_count(static_cast<double>(view.passed)),
                                         short_count(static_cast<double>(view.target)));
  switch (view.phase) {
    case Phase::waiting:
      return "  waiting for its turn";
    case Phase::starting:
      return "  connecting";
    case Phase::done:
      return fmt::format("{}  done in {}", counts, short_duration(view.duration));
    case Phase::stopped:
      return fmt::format("{}  stopped after {}", counts, short_duration(view.duration));
    case Phase::failed:
      return fmt::format("{}  failed after {}", counts, short_duration(view.duration));
    case Phase::running:
      break;
  }
  std::string tail = fmt::format("{}  {}", counts, rates(view));
  if (const auto left = view.seconds_left()) tail += "  ETA " + short_seconds(*left);
  if (view.rejected > 0) tail += fmt::format("  rejected {}", grouped(view.rejected));
  return tail;
}

}  // namespace

void LiveCounts::take(const Observer::Progress& progress) {
  constexpr auto relaxed = std::memory_order_relaxed;
  read.store(progress.counts.read, relaxed);
  rejected.store(progress.counts.rejected, relaxed);
  open.store(progress.counts.open, relaxed);
  bytes.store(progress.counts.bytes, relaxed);
  target.store(progress.target, relaxed);
  passed.store(progress.passed, relaxed);
}

uint64_t ProgressView::percent() const {
  if (phase == Phase::done) return 100;
  if (target == 0) return 0;
  return std::min<uint64_t>(100, static_cast<uint64_t>(static_cast<double>(passed) * 100.0 /
                                                       static_cast<double>(target)));
}

std::optional<uint64_t> ProgressView::seconds_left() const {
  if (endless || rows_per_second < 1 || target == 0) return std::nullopt;
  const double seconds = std::ceil(static_cast<double>(lag()) / rows_per_second);
  return seconds > 1e8 ? std::nullopt : std::optional(static_cast<uint64_t>(seconds));
}

void RateMeter::look(TimePoint now, const LiveCounts& counts, ProgressView& view) {
  const double seconds = std::chrono::duration<double>(now - time_).count();
  if (started_ && seconds > 0) {
    const double weight = 1 - std::exp(-seconds / smoothing_seconds);
    const bool first = rows_ == 0 && byte_rate_ == 0;
    const double rows = static_cast<double>(view.read - std::min(read_, view.read)) / seconds;
    const uint64_t bytes = counts.bytes.load(std::memory_order_relaxed);
    const double byte_rate = static_cast<double>(bytes - std::min(bytes_, bytes)) / seconds;
    rows_ = first ? rows : rows_ + weight * (rows - rows_);
    byte_rate_ = first ? byte_rate : byte_rate_ + weight * (byte_rate - byte_rate_);
  }
  started_ = true;
  time_ = now;
  read_ = view.read;
  bytes_ = counts.bytes.load(std::memory_order_relaxed);
  view.rows_per_second = rows_;
  view.bytes_per_second = byte_rate_;
}

std::string bar_line(const ProgressView& view, size_t name_width, const BarStyle& style) {
  const std::string tail = bar_tail(view);
  const std::string name = fmt::format("{:<{}}", view.name, name_width);
  const size_t around = display_width(name) + 2 + display_width(tail) + (style.unicode ? 1 : 3);
  const size_t room = style.columns > around ? style.columns - around : 0;
  const bool drawn = !view.endless && view.phase != Phase::waiting && view.phase != Phase::starting;
  const char* const gap = tail.starts_with(' ') ? "" : " ";
  if (!drawn || room < bar_columns_min) return name + gap + tail;
  return fmt::format("{}  {} {}", name, bar(view, std::min(room, bar_columns_max), style), tail);
}

std::string progress_json(const ProgressView& view) {
  nlohmann::ordered_json line{{"type", "progress"}, {"pipeline", view.name}, {"read", view.read}};
  if (!view.endless) {
    line["of"] = view.target;
    line["pct"] = view.percent();
  }
  line["rows_per_s"] = static_cast<uint64_t>(view.rows_per_second);
  line["lag"] = view.lag();
  if (view.endless) return line.dump() + "\n";
  const auto left = view.seconds_left();
  line["eta_s"] = left ? nlohmann::ordered_json(*left) : nlohmann::ordered_json(nullptr);
  return line.dump() + "\n";
}

}  // namespace sluice::cli
