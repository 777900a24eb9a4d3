// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "cli/config_text.hpp"
#include "cli/text.hpp"

namespace sluice::cli {
namespace {

constexpr size_t depth_max = 64;

/// Walks over the text and lets the handler see how far the parser has read.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, size_t* count) : at_(at), count_(count) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    ++at_;
    ++*count_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  size_t* count_;
};

/// Builds the tree from nlohmann's events, because its own tree forgets positions and takes
/// duplicate keys without a word.
class TreeBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  TreeBuilder(const std::string& name, std::string_view text, const size_t& read,
              Problems& problems)
      : name_(name), text_(text), read_(read), problems_(problems) {
    key_origin_ = position(0, 1);
  }

  [[nodiscard]] std::optional<ConfigValue> take() {
    if (failed_ || !root_) return std::nullopt;
    return std::move(root_);
  }

  bool null() override { return fail("null is not a value of the configuration"); }
  bool boolean(bool value) override {
    ConfigValue node = make(ConfigValue::Kind::boolean);
    node.boolean = value;
    return add(std::move(node));
  }
  bool number_integer(int64_t value) override {
    ConfigValue node = make(ConfigValue::Kind::integer);
    node.integer = value;
    return add(std::move(node));
  }
  bool number_unsigned(uint64_t value) override {
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return fail("the number is too large");
    }
    return number_integer(static_cast<int64_t>(value));
  }
  bool number_float(double value, const std::string& /*digits*/) override {
    ConfigValue node = make(ConfigValue::Kind::number);
    node.number = value;
    return add(std::move(node));
  }
  bool string(std::string& value) override {
    ConfigValue node = make(ConfigValue::Kind::text);
    node.text = std::move(value);
    return add(std::move(node));
  }
  bool binary(nlohmann::json::binary_t& /*value*/) override { return false; }
  bool start_object(size_t /*count*/) override { return open(ConfigValue::Kind::table); }
  bool end_object() override { return close(); }
  bool start_array(size_t /*count*/) override { return open(ConfigValue::Kind::array); }
  bool end_array() override { return close(); }

  bool key(std::string& value) override {
    const size_t end = read_ - 1;  // on the closing quote
    const size_t begin = opening_quote(end);
    key_origin_ = position(begin, end - begin + 1);
    if (open_.back().value.find(value) != nullptr) return fail("the key is there twice");
    key_ = std::move(value);
    return true;
  }

  bool parse_error(size_t offset, const std::string& /*token*/,
                   const nlohmann::json::exception& /*error*/) override {
    // The library's text quotes what it read last, which may be a secret.
    key_origin_ = position(offset == 0 ? 0 : std::min(offset - 1, text_.size()), 1);
    return fail("this is not valid JSON");
  }

 private:
  struct Open {
    std::string key;
    Origin key_origin;
    ConfigValue value;
  };

  bool fail(std::string message) {
    problems_.add(key_origin_, std::move(message));
    failed_ = true;
    return false;
  }

  [[nodiscard]] ConfigValue make(ConfigValue::Kind kind) const {
    ConfigValue value;
    value.kind = kind;
    value.origin = key_origin_;
    return value;
  }

  bool open(ConfigValue::Kind kind) {
    if (open_.size() >= depth_max) return fail("the configuration is nested too deeply");
    open_.push_back({std::move(key_), key_origin_, make(kind)});
    key_.clear();
    return true;
  }

  bool close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    key_ = std::move(done.key);
    key_origin_ = done.key_origin;
    return add(std::move(done.value));
  }

  bool add(ConfigValue value) {
    if (open_.empty()) {
      if (value.kind != ConfigValue::Kind::table) return fail("the file must hold one JSON object");
      root_ = std::move(value);
      return true;
    }
    ConfigValue& parent = open_.back().value;
    if (parent.kind == ConfigValue::Kind::array) {
      parent.items.push_back(std::move(value));
    } else {
      parent.entries.push_back({std::move(key_), key_origin_, std::move(value)});
    }
    return true;
  }

  [[nodiscard]] size_t opening_quote(size_t closing) const {
    for (size_t at = closing; at > 0; --at) {
      if (text_[at - 1] != '"') continue;
      size_t slashes = 0;
      while (slashes + 1 < at && text_[at - 2 - slashes] == '\\') ++slashes;
      if (slashes % 2 == 0) return at - 1;
    }
    return 0;
  }

  [[nodiscard]] Origin position(size_t offset, size_t width) const {
    Origin origin{Origin::Kind::file, name_, 1, 1, static_cast<uint32_t>(width)};
    size_t line_start = 0;
    for (size_t at = 0; at < offset && at < text_.size(); ++at) {
      if (text_[at] != '\n') continue;
      ++origin.line;
      line_start = at + 1;
    }
    const auto before = text_.substr(line_start, offset - line_start);
    origin.column = static_cast<uint32_t>(display_width(before)) + 1;
    return origin;
  }

  const std::string& name_;
  std::string_view text_;
  const size_t& read_;
  Problems& problems_;
  std::vector<Open> open_;
  std::optional<ConfigValue> root_;
  std::string key_;
  Origin key_origin_;
  bool failed_ = false;
};

}  // namespace

std::optional<ConfigValue> parse_json(const std::string& name, std::string_view text,
                                      Problems& problems) {
  problems.add_source(name, text);
  size_t read = 0;
  TreeBuilder builder(name, text, read, problems);
  const CountingIterator first(text.data(), &read);
  const CountingIterator last(text.data() + text.size(), &read);
  nlohmann::json::sax_parse(first, last, &builder);
  return builder.take();
}

}  // namespace sluice::cli
