#include "model/ipv4.hpp"

#include <charconv>

namespace sandboxd::model {
namespace {

constexpr std::uint32_t mask_of(int length) { return length == 0 ? 0 : ~std::uint32_t{0} << (32 - length); }

}  // namespace

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t max) {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  std::uint32_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size() || number > max) return std::nullopt;
  return number;
}

std::string to_text(Ipv4 address) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) {
    text += std::to_string((address.value >> shift) & 0xff);
    if (shift > 0) text += '.';
  }
  return text;
}

std::optional<Ipv4> parse_ipv4(std::string_view text) {
  Ipv4 address;
  for (int part = 0; part < 4; ++part) {
    const auto dot = part < 3 ? text.find('.') : text.size();
    if (dot == std::string_view::npos) return std::nullopt;
    const auto number = parse_number(text.substr(0, dot), 255);
    if (!number) return std::nullopt;
    address.value = address.value << 8 | *number;
    text.remove_prefix(part < 3 ? dot + 1 : dot);
  }
  return address;
}

bool Cidr::contains(Ipv4 address) const { return (address.value & mask_of(length)) == base.value; }
bool Cidr::contains(const Cidr& other) const { return length <= other.length && contains(other.base); }
bool Cidr::overlaps(const Cidr& other) const { return contains(other) || other.contains(*this); }
std::int64_t Cidr::size() const { return std::int64_t{1} << (32 - length); }

std::string to_text(const Cidr& range) { return to_text(range.base) + "/" + std::to_string(range.length); }

std::optional<Cidr> parse_cidr(std::string_view text) {
  Cidr range;
  const auto slash = text.find('/');
  const auto address = parse_ipv4(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash != std::string_view::npos) {
    const auto length = parse_number(text.substr(slash + 1), 32);
    if (!length) return std::nullopt;
    range.length = static_cast<int>(*length);
  }
  range.base.value = address->value & mask_of(range.length);
  return range;
}

}  // namespace sandboxd::model
