#include "codec/base64.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace sandboxd::codec {
namespace {

constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNone = 0xff;

constexpr std::array<std::uint8_t, 256> make_values() {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNone);
  for (std::uint8_t i = 0; i < 64; ++i) values[static_cast<unsigned char>(kDigits[i])] = i;
  return values;
}

constexpr std::array<std::uint8_t, 256> kValues = make_values();

}  // namespace

std::string encode_base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4, '=');
  char* to = out.data();
  const auto at = [&bytes](std::size_t i) { return std::uint32_t{static_cast<unsigned char>(bytes[i])}; };
  std::size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3, to += 4) {
    const std::uint32_t group = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    to[0] = kDigits[group >> 18];
    to[1] = kDigits[group >> 12 & 63U];
    to[2] = kDigits[group >> 6 & 63U];
    to[3] = kDigits[group & 63U];
  }
  const std::size_t rest = bytes.size() - i;
  if (rest == 0) return out;
  const std::uint32_t group = at(i) << 16 | (rest == 2 ? at(i + 1) << 8 : 0U);
  to[0] = kDigits[group >> 18];
  to[1] = kDigits[group >> 12 & 63U];
  if (rest == 2) to[2] = kDigits[group >> 6 & 63U];
  return out;
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t group = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::uint8_t value = 0;
    if (i < text.size() - padding) {
      value = kValues[static_cast<unsigned char>(text[i])];
      if (value == kNone) return std::nullopt;
    }
    group = group << 6 | value;
    if (i % 4 != 3) continue;
    for (std::size_t k = 0; k < 3; ++k)
      out += static_cast<char>(static_cast<unsigned char>(group >> (16 - 8 * k) & 255U));
    group = 0;
  }
  for (std::size_t k = 0; k < padding; ++k) {
    if (out.back() != '\0') return std::nullopt;  // bits that no encoder sets
    out.pop_back();
  }
  return out;
}

}  // namespace sandboxd::codec
